"""How long a training step's programs take to compile, and the memory that they will need."""

import dataclasses
import time
from typing import Any

import jax
import jax.numpy as jnp

from gancmri_jax.benchmarks.training import INTERVALS, training_config
from gancmri_jax.training.state import init_state
from gancmri_jax.training.step import make_step
from gancmri_jax.version import __version__

# Which regularisers the four programs of lazy regularisation have.
_VARIANTS = {
    "plain": (False, False),
    "path length": (True, False),
    "R1": (False, True),
    "both": (True, True),
}


@dataclasses.dataclass(frozen=True)
class Compilation:
    """What compiling found, by program.

    Attributes:
        seconds: Time to trace and compile.
        temporary_gib: Memory for what the program computes on its way.
        state_gib: Memory for networks, averages and optimisers, the same for all.
        settings: What was compiled.
    """

    seconds: dict[str, float]
    temporary_gib: dict[str, float]
    state_gib: float
    settings: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return all of it, with the device and the versions."""
        return {
            "benchmark": "compilation",
            **dataclasses.asdict(self),
            "device": jax.devices()[0].device_kind,
            "jax": jax.__version__,
            "gancmri_jax": __version__,
        }

    def __str__(self) -> str:
        programs = ", ".join(
            f"{name} {seconds:.3g} s and {self.temporary_gib[name]:.3g} GiB"
            for name, seconds in self.seconds.items()
        )
        return (
            f"compilation: {sum(self.seconds.values()):.3g} s for four programs ({programs}) "
            f"beside {self.state_gib:.3g} GiB of state"
        )


def benchmark_compilation(
    size: int, channel_base: int, channel_max: int, batch: int, dtype: str, remat: bool
) -> Compilation:
    """Compile the four programs of a training step afresh, running none of them."""
    config = training_config(size, channel_base, channel_max, batch, dtype, remat)
    step = make_step(config)
    state = jax.eval_shape(lambda: init_state(config))
    images = jax.ShapeDtypeStruct((batch, size, size, 1), jnp.uint8)
    cached = jax.config.jax_enable_compilation_cache  # type: ignore[attr-defined]
    jax.config.update("jax_enable_compilation_cache", False)
    seconds, temporary = {}, {}
    try:
        for name, (path_length, r1) in _VARIANTS.items():
            start = time.perf_counter()
            lowered = step.lower(state, images, regularize_g=path_length, regularize_d=r1)  # type: ignore[attr-defined]
            memory = lowered.compile().memory_analysis()
            seconds[name] = time.perf_counter() - start
            temporary[name] = memory.temp_size_in_bytes / 2**30
    finally:
        jax.config.update("jax_enable_compilation_cache", cached)
    held = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    return Compilation(
        seconds=seconds,
        temporary_gib=temporary,
        state_gib=held / 2**30,
        settings=dict(
            size=size,
            channel_base=channel_base,
            channel_max=channel_max,
            batch=batch,
            dtype=dtype,
            remat=remat,
            mapping_layers=config.mapping_layers,
            g_reg_interval=INTERVALS["g"],
            d_reg_interval=INTERVALS["d"],
        ),
    )
