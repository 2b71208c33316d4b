"""One mesh over devices: what is split along its axis, `data`, and what every device has whole."""

from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


def data_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Return a mesh with one axis, `data`, over these devices, or all devices of all hosts."""
    # The minibatch standard deviation reshapes the sharded axis, which explicit axes refuse.
    devices = jax.devices() if devices is None else devices
    return Mesh(np.asarray(devices), ("data",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """Return the sharding of what every device has whole."""
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh, axis: int = 0) -> NamedSharding:
    """Return the sharding of what is split along an axis."""
    return NamedSharding(mesh, PartitionSpec(*(None,) * axis, "data"))
