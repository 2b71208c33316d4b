"""How a run is spread: one mesh over all devices, batches split along it, the state on each."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import UInt8

from gancmri_jax.errors import InputError
from gancmri_jax.model.mesh import data_mesh, replicated, split

__all__ = [
    "check_batch",
    "data_mesh",
    "global_batch",
    "on_host",
    "replicated",
    "split",
]


def check_batch(batch_size: int, accumulate: int, mesh: Mesh) -> None:
    """See that every device gets as many images of every part of a batch.

    Raises:
        InputError: It does not.
    """
    if batch_size % (accumulate * mesh.size):
        raise InputError(
            f"config.batch_size {batch_size} must be a multiple of config.accumulate {accumulate} "
            f"times the number of devices, {mesh.size}"
        )


def global_batch(local: UInt8[np.ndarray, "n h w 1"], mesh: Mesh) -> jax.Array:
    """Put the rows that this process read into their place of the batch of all processes."""
    return jax.make_array_from_process_local_data(split(mesh), local)


def on_host(tree: Any) -> Any:
    """Return a replicated tree as this process's own NumPy arrays."""
    return jax.tree.map(np.asarray, tree)
