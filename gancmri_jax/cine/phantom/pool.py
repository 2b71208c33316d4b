"""A rolling pool of subjects that are rendered while something trains on them.

Each new subject takes the slot of the one that came a whole pool before. So what the pool holds
depends on the newest subject's number alone, and a run that broke off goes on with the same.
"""

import functools
from collections.abc import Callable
from typing import TypeVar

import jax
from jaxtyping import Array, Integer

Pool = TypeVar("Pool")  # a tree of arrays, whose first axis is that of slots


def filled(
    pool: Pool,
    first: int,
    subjects: int,
    render: Callable[[int], Pool],
    on_subject: Callable[[], object] = lambda: None,
) -> Pool:
    """Render subjects `first` … into a pool of so many slots."""
    for index in range(first, first + subjects):
        pool = put(pool, render(index), index % subjects)
        on_subject()
    return pool


@functools.partial(jax.jit, donate_argnums=0)
def put(pool: Pool, new: Pool, slot: Integer[Array, ""] | int) -> Pool:
    """Put one subject's arrays into a slot; the pool's buffers are taken over."""
    return jax.tree.map(lambda old, part: old.at[slot].set(part), pool, new)
