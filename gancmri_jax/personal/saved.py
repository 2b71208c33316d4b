"""What a run has done so far, in one file: any tree of arrays, exactly, and whose run it is."""

import json
import pathlib
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from gancmri_jax.atomic import atomic_write

Tree = TypeVar("Tree")


def save_tree(path: pathlib.Path, tree: Any, about: dict[str, Any]) -> None:
    """Write a tree's arrays, whole or not at all.

    Args:
        path: The file.
        tree: Arrays.
        about: Which run it is of, JSON-like: `load_tree` gives the tree back to the same only.

    Raises:
        OSError: The file cannot be written.
    """
    leaves = {f"{i:05d}": np.array(leaf, order="C") for i, leaf in enumerate(jax.tree.leaves(tree))}
    with atomic_write(path) as part:
        try:
            save_file(leaves, part, {"about": json.dumps(about, sort_keys=True)})
        except SafetensorError as error:
            raise OSError(str(error)) from error


def load_tree(path: pathlib.Path, like: Tree, about: dict[str, Any]) -> Tree | None:
    """Read the tree that the same run wrote; None where there is none, or another run's.

    Args:
        path: The file.
        like: A tree of the same structure and shapes.
        about: As it was written.
    """
    leaves, structure = jax.tree.flatten(like)
    try:
        with safe_open(path, framework="numpy") as file:
            if (file.metadata() or {}).get("about") != json.dumps(about, sort_keys=True):
                return None
            found = [file.get_tensor(name) for name in sorted(file.keys())]
    except (OSError, SafetensorError):
        return None
    shapes = [(np.shape(leaf), jnp.result_type(leaf)) for leaf in leaves]
    if shapes != [(leaf.shape, leaf.dtype) for leaf in found]:
        return None
    return jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in found])
