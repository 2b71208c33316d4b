"""Time beside a ceiling: how fast this machine multiplies matrices in the same minutes.

Seconds on a shared machine say little; ideal operations over time, over the rate of matrix
products interleaved with what is timed, say how much of the machine was used.
"""

import dataclasses
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gancmri_jax.version import __version__

_SIDE = 2048
_PRODUCTS = 7


@dataclasses.dataclass(frozen=True)
class Result:
    """What a benchmark found.

    Attributes:
        name: What was timed.
        seconds: Median time of one round.
        gflops: Rate of the ideal algorithm's operations, 10⁹ a second; None where none are counted.
        matmul_gflops: Median rate of float32 2048³ matrix products, the ceiling.
        rate: What users count, by name: `videos_per_second`, `images_per_second` or
            `frame_steps_per_second`.
        settings: What it was measured with.
    """

    name: str
    seconds: float
    gflops: float | None
    matmul_gflops: float
    rate: tuple[str, float]
    settings: dict[str, Any]

    @property
    def fraction(self) -> float | None:
        """The share of the ceiling, or None."""
        return None if self.gflops is None else self.gflops / self.matmul_gflops

    def as_json(self) -> dict[str, Any]:
        """Return all of it, with the machine and the versions, under the names it is printed by."""
        unit, value = self.rate
        return {
            "benchmark": self.name,
            "seconds": self.seconds,
            "gflops": self.gflops,
            "matmul_gflops": self.matmul_gflops,
            "fraction": self.fraction,
            unit: value,
            "settings": self.settings,
            "device": jax.devices()[0].device_kind,
            "devices": jax.device_count(),
            "processor": platform.processor() or platform.machine(),
            "jax": jax.__version__,
            "gancmri_jax": __version__,
        }

    def __str__(self) -> str:
        unit, value = self.rate
        work = "" if self.gflops is None else f", {self.gflops:.1f} GFLOP/s of the ideal algorithm"
        share = "" if self.fraction is None else f", {self.fraction:.2f} of it"
        return (
            f"{self.name}: {self.seconds:.3g} s, {value:.3g} {unit.replace('_', ' ')}{work}; "
            f"matrix products {self.matmul_gflops:.0f} GFLOP/s{share}"
        )


def time_rounds(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the median seconds of `work` and the median GFLOP/s of the products between rounds.

    `work` is run once before, to compile, and waits for its own results.
    """
    side = jnp.ones((_SIDE, _SIDE), jnp.float32)
    product = jax.jit(lambda a, b: a @ b)
    jax.block_until_ready(product(side, side))
    work()
    seconds, rates = [], []
    for _ in range(rounds):
        for _ in range(-(-_PRODUCTS // rounds)):
            rates.append(2 * _SIDE**3 / 1e9 / _seconds(lambda: product(side, side)))
        seconds.append(_seconds(work))
    return statistics.median(seconds), statistics.median(rates)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - start
