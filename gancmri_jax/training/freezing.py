"""Parts of networks that stay as they are while what was grown in front of them learns.

StyleGAN-XL (Sauer et al. 2022, arXiv 2202.00273) grows so: what is below is frozen at first.
"""

import re
from typing import Any, TypeVar

import jax
from jax import lax

Tree = TypeVar("Tree")

# Of the generator, and the encoder's last layers: what no resolution is the name of.
_BELOW_ALL = ("mapping", "const", "hidden", "out")


def is_frozen(path: tuple[Any, ...], below: int) -> bool:
    """Say whether a parameter, or an optimiser's moment of it, belongs to what is frozen.

    That is the mapping, and every layer of a resolution up to `below`. The layer that reads images,
    `fromrgb`, belongs to the largest resolution, and so learns.
    """
    names = [entry.key for entry in path if isinstance(entry, jax.tree_util.DictKey)]
    sizes = [int(found[1]) for name in names if (found := re.match(r"b(\d+)_", name))]
    return any(name in _BELOW_ALL for name in names) or any(size <= below for size in sizes)


def held(tree: Tree, below: int) -> Tree:
    """Return parameters of which the frozen ones have no gradient, so that none is computed."""

    def hold(path: tuple[Any, ...], leaf: Any) -> Any:
        return lax.stop_gradient(leaf) if is_frozen(path, below) else leaf

    return jax.tree_util.tree_map_with_path(hold, tree)


def kept(before: Tree, after: Tree, below: int) -> Tree:
    """Return what is after, with the frozen leaves as they were before."""

    def keep(path: tuple[Any, ...], old: Any, new: Any) -> Any:
        return old if is_frozen(path, below) else new

    return jax.tree_util.tree_map_with_path(keep, before, after)
