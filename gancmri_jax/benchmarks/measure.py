"""Time beside a ceiling: how fast this machine multiplies matrices in the same minutes.

Seconds on a shared machine say little; ideal operations over time, over the rate of matrix
products interleaved with what is timed, say how much of the machine was used. On accelerators
products are large, and in bfloat16; and bytes over time, over the rate of copies, are a second
fraction, since much of a network's work there is reading and writing.
"""

import dataclasses
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gancmri_jax.version import __version__

_PRODUCTS = 7


class Ceiling(NamedTuple):
    """What is timed between rounds.

    Attributes:
        side: Of the matrices.
        dtype: Of their elements.
        copied: Bytes of the array that is copied; 0 for no copies.
        in_a_row: Products, or copies, that one measurement waits for.
    """

    side: int
    dtype: str
    copied: int
    in_a_row: int

    def __str__(self) -> str:
        return f"{self.dtype} {self.side}³"


ON_CPU = Ceiling(2048, "float32", 0, 1)
ON_ACCELERATORS = Ceiling(8192, "bfloat16", 2**30, 8)


class Timing(NamedTuple):
    """What was timed.

    Attributes:
        seconds: Median time of a round.
        matmul_gflops: Median rate of the products.
        copy_gb_per_second: Median rate of copies, bytes read and bytes written; None without.
        ceiling: What was timed in between.
    """

    seconds: float
    matmul_gflops: float
    copy_gb_per_second: float | None
    ceiling: Ceiling


@dataclasses.dataclass(frozen=True)
class Result:
    """What a benchmark found.

    Attributes:
        name: What was timed.
        seconds: Median time of one round.
        gflops: Rate of the ideal algorithm's operations, 10⁹ a second; None where none are counted.
        timing: The ceilings that were measured in between.
        rate: What users count, by name: `videos_per_second`, `images_per_second` or
            `frame_steps_per_second`.
        settings: What it was measured with.
        gbytes: What a round reads and writes by XLA's count, 10⁹ bytes; None where not counted.
    """

    name: str
    seconds: float
    gflops: float | None
    timing: Timing
    rate: tuple[str, float]
    settings: dict[str, Any]
    gbytes: float | None = None

    @property
    def matmul_gflops(self) -> float:
        """The rate of matrix products, the ceiling."""
        return self.timing.matmul_gflops

    @property
    def fraction(self) -> float | None:
        """The share of the ceiling, or None."""
        return None if self.gflops is None else self.gflops / self.matmul_gflops

    @property
    def bandwidth_fraction(self) -> float | None:
        """The share of the rate of copies, or None."""
        copies = self.timing.copy_gb_per_second
        return None if self.gbytes is None or not copies else self.gbytes / self.seconds / copies

    def as_json(self) -> dict[str, Any]:
        """Return all of it, with the machine and the versions, under the names it is printed by."""
        unit, value = self.rate
        return {
            "benchmark": self.name,
            "seconds": self.seconds,
            "gflops": self.gflops,
            "matmul_gflops": self.matmul_gflops,
            "matmul": str(self.timing.ceiling),
            "fraction": self.fraction,
            "gbytes": self.gbytes,
            "copy_gb_per_second": self.timing.copy_gb_per_second,
            "bandwidth_fraction": self.bandwidth_fraction,
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
        said = (
            f"{self.name}: {self.seconds:.3g} s, {value:.3g} {unit.replace('_', ' ')}{work}; "
            f"matrix products {self.matmul_gflops:.0f} GFLOP/s{share}"
        )
        if self.timing.copy_gb_per_second is not None:
            part = self.bandwidth_fraction
            share = "" if part is None else f", {part:.2f} of it by XLA's count of bytes"
            said += f"; copies {self.timing.copy_gb_per_second:.0f} GB/s{share}"
        return said


def time_rounds(work: Callable[[], object], rounds: int, ceiling: Ceiling | None = None) -> Timing:
    """Time `work`, and products and copies between its rounds; give the medians.

    `work` is run once before, to compile, and waits for its own results.
    """
    if ceiling is None:
        ceiling = ON_CPU if jax.default_backend() == "cpu" else ON_ACCELERATORS
    side = jnp.ones((ceiling.side, ceiling.side), ceiling.dtype)
    product = jax.jit(lambda a, b: a @ b)
    copied = jnp.zeros(ceiling.copied // 4, jnp.float32)
    copy = jax.jit(lambda x: x + 1)
    flop = 2 * ceiling.side**3 * ceiling.in_a_row
    moved = 2 * copied.nbytes * ceiling.in_a_row

    def in_a_row(program: Callable[..., jax.Array], *args: jax.Array) -> jax.Array:
        for _ in range(ceiling.in_a_row):
            result = program(*args)
        return result

    jax.block_until_ready([product(side, side), copy(copied)])
    work()
    seconds, products, copies = [], [], []
    for _ in range(rounds):
        for _ in range(-(-_PRODUCTS // rounds)):
            products.append(flop / 1e9 / _seconds(lambda: in_a_row(product, side, side)))
            if moved:
                copies.append(moved / 1e9 / _seconds(lambda: in_a_row(copy, copied)))
        seconds.append(_seconds(work))
    median = statistics.median
    return Timing(median(seconds), median(products), median(copies) if copies else None, ceiling)


def gbytes_of(program: Any, *args: Any, **options: Any) -> float | None:
    """Return what a jitted function reads and writes, by XLA's count; None on a CPU.

    A loop's body counts once.
    """
    if jax.default_backend() == "cpu":  # where caches make another matter of it
        return None
    cost = program.lower(*args, **options).compile().cost_analysis()
    return cost["bytes accessed"] / 1e9 if cost and "bytes accessed" in cost else None


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - start
