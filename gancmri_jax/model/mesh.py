"""One mesh over devices: what is split along its axis, `data`, and what every device has whole."""

import contextlib
import os
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

_AT_LEAST = 4  # of a batch on a device: fewer are not worth a program of their own


def spread_over_cores(batch: int | None = None) -> None:
    """Let JAX see as many CPU devices as there are cores, or as a given batch comes out even on.

    On one device XLA computes much of a small network's step on one core; a core a device takes
    its share of everything. To be called before JAX computes; where it already has, or where
    `XLA_FLAGS` or `JAX_NUM_CPU_DEVICES` say how many there are, nothing changes.
    """
    told = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if told or jax.config.jax_num_cpu_devices > 0:  # type: ignore[attr-defined]
        return
    devices = _num_cores()
    if batch is not None:
        most = max(min(devices, batch // _AT_LEAST), 1)
        devices = max(n for n in range(1, most + 1) if batch % n == 0)
    with contextlib.suppress(RuntimeError):  # JAX has computed
        jax.config.update("jax_num_cpu_devices", devices)


def _num_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def data_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Return a mesh with one axis, `data`, over these devices, or all devices of all hosts."""
    # The minibatch standard deviation reshapes the sharded axis, which explicit axes refuse.
    devices = jax.devices() if devices is None else devices
    return Mesh(np.asarray(devices), ("data",), axis_types=(AxisType.Auto,))


def platform_of(tree: Any) -> str:
    """Return the platform where arrays lie, or else where new ones would: `cpu`, `gpu`, `tpu`."""
    for leaf in jax.tree.leaves(tree):
        # What is being traced lies nowhere yet.
        with contextlib.suppress(jax.errors.ConcretizationTypeError):
            if isinstance(leaf, jax.Array):
                return next(iter(leaf.devices())).platform
    default = jax.config.jax_default_device  # type: ignore[attr-defined]
    return getattr(default, "platform", default) or jax.default_backend()


def replicated(mesh: Mesh) -> NamedSharding:
    """Return the sharding of what every device has whole."""
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh, axis: int = 0) -> NamedSharding:
    """Return the sharding of what is split along an axis."""
    return NamedSharding(mesh, PartitionSpec(*(None,) * axis, "data"))
