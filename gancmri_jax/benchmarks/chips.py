"""Chips to compile for that are not here: their public figures, and how JAX is given them."""

import os
from typing import Any, NamedTuple

import jax

from gancmri_jax.errors import InputError


class Chip(NamedTuple):
    """A chip, by its vendor's public figures.

    Attributes:
        name: As people call it.
        platform: `tpu` or `cuda`.
        memory_gib: Memory.
        tflops: Dense bfloat16 products, 10¹² operations a second.
        gb_per_second: Memory bandwidth, 10⁹ bytes a second.
    """

    name: str
    platform: str
    memory_gib: float
    tflops: float
    gb_per_second: float


CHIPS = {
    "v5e": Chip("TPU v5e", "tpu", 16, 197, 819),
    "v5p": Chip("TPU v5p", "tpu", 95, 459, 2765),
    "v6e": Chip("TPU v6e", "tpu", 32, 918, 1640),
    "h100": Chip("NVIDIA H100 SXM", "cuda", 80 / 1.0737, 989, 3350),
    "h200": Chip("NVIDIA H200", "cuda", 141 / 1.0737, 989, 4800),
}
EXAMPLES = "tpu:v5e:2x2 or cuda:h200:4"

# libtpu asks a TPU host's metadata server for these, where nobody says them.
_TPU_ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
# What XLA asks a GPU about itself; of the Hopper chips alike but for the memory.
_HOPPER = """
gpu_device_info {{
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_core: 233472
  threads_per_core_limit: 2048
  core_count: 132
  fpus_per_core: 128
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: {bandwidth}
  l2_cache_size: 52428800
  clock_rate_ghz: 1.98
  device_memory_size: {memory}
  shared_memory_per_block_optin: 232448
  cuda_compute_capability {{ major: 9 }}
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 }}
device_description_str: "{name}"
"""


def prepare_environment() -> None:
    """Keep JAX off accelerators that are here, and libtpu off the network; before JAX computes."""
    for name, value in _TPU_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    jax.config.update("jax_platforms", "cpu")


def parse_target(target: str) -> tuple[Chip, str]:
    """Return the chip, and how many there are: TPU's shape ("2x2"), or a number of GPUs.

    Raises:
        InputError: The target is not written like that, or the chip is not known.
    """
    platform, _, rest = target.partition(":")
    name, _, extent = rest.partition(":")
    chip = CHIPS.get(name)
    if chip is None or chip.platform != platform or not extent:
        known = ", ".join(f"{each.platform}:{key}" for key, each in CHIPS.items())
        raise InputError(
            f"--target {target}: give a platform, a chip and how many, such as {EXAMPLES}; known "
            f"chips are {known}"
        )
    if platform == "cuda" and not (extent.isdecimal() and int(extent)):
        raise InputError(f"--target {target}: {extent} is no number of GPUs")
    return chip, extent


def devices_of(target: str) -> tuple[Chip, list[jax.Device]]:
    """Return devices that programs can be compiled for, and nothing else.

    Raises:
        InputError: The target is not known, or JAX's plugin for its platform is not installed.
    """
    from jax.experimental import topologies

    chip, extent = parse_target(target)
    name = target.split(":")[1]
    options: dict[str, Any] = {"topology_name": f"{name}:{extent}"}
    if chip.platform == "cuda":
        described = _HOPPER.format(
            name=chip.name,
            bandwidth=round(chip.gb_per_second * 1e9),
            memory=round(chip.memory_gib * 2**30),
        )
        options = dict(topology_name=name, topology=f"1x1x{extent}", target_config=described)
    try:
        found = topologies.get_topology_desc(platform=chip.platform, **options)
    except Exception as error:  # of whatever type: a missing plugin, or a shape that no pod has
        extra = {"tpu": "tpu", "cuda": "cuda13"}[chip.platform]
        raise InputError(
            f"--target {target}: JAX cannot compile for it ({' '.join(str(error).split())[:200]}); "
            f"it needs `pip install 'gancmri_jax[{extra}]'`, and a shape that there is"
        ) from error
    return chip, list(found.devices)
