"""Full float32 precision for products, whose default on accelerators is TF32 or bfloat16."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

Params = ParamSpec("Params")
Result = TypeVar("Result")


def in_full_precision(function: Callable[Params, Result]) -> Callable[Params, Result]:
    """Return the function with all its matrix products and convolutions in full precision.

    It is for functions that are compiled, and stands below `jax.jit`. Products that name a
    precision of their own keep it.
    """

    @functools.wraps(function)
    def exact(*args: Params.args, **kwargs: Params.kwargs) -> Result:
        with jax.default_matmul_precision("highest"):
            return function(*args, **kwargs)

    return exact
