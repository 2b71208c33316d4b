"""Programs compiled for chips that are not here: memory, operations, bytes and collectives.

Nothing runs. Seconds are estimates by the chip's public figures (the roofline of Williams et al.
2009): the larger of operations over its peak and bytes over its bandwidth. They are lower bounds:
no program reaches either.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
from ml_collections import ConfigDict

from gancmri_jax.benchmarks.chips import Chip, devices_of
from gancmri_jax.benchmarks.hlo import Findings, float32_sides, read_program
from gancmri_jax.benchmarks.programs import Program, programs
from gancmri_jax.model.mesh import data_mesh
from gancmri_jax.version import __version__


@dataclasses.dataclass(frozen=True)
class Compiled:
    """One program; numbers are of one chip.

    Attributes:
        name, what: The program, and what it works on.
        memory_gib: Peak memory: arguments, results and what is computed on the way.
        gflop: Operations of the compiled program.
        ideal_gflop: What the algorithm needs.
        gbytes: What its kernels read and write, by the compiler on TPUs, and on GPUs as if each
            kernel read its operands whole.
        collectives: How many of each kind.
        reduced: The types that are reduced over the chips.
        float32_sides: The largest image side of each float32 convolution.
        gathers, callbacks: How many.
        estimated_ms: By roofline, at the chip's public figures.
        compile_s: Time to trace and compile, here.
    """

    name: str
    what: str
    memory_gib: float
    gflop: float
    ideal_gflop: float
    gbytes: float
    collectives: dict[str, int]
    reduced: list[str]
    float32_sides: list[int]
    gathers: int
    callbacks: int
    estimated_ms: float
    compile_s: float

    @property
    def row(self) -> list[str]:
        """Return it as a row of a table."""
        collectives = ", ".join(f"{n} {kind}" for kind, n in sorted(self.collectives.items()))
        sides = sorted(set(self.float32_sides))
        convolutions = f"{len(self.float32_sides)}"
        if sides:
            convolutions += f" ({', '.join(f'{side}²' for side in sides[-2:])})"
        return [
            self.name,
            f"{self.memory_gib:.2f}",
            f"{self.gflop:,.0f}",
            f"{self.gflop / self.ideal_gflop:.3f}",
            f"{self.gbytes:.1f}",
            collectives or "none",
            convolutions,
            str(self.gathers),
            str(self.callbacks),
            f"{self.estimated_ms:.2f}",
        ]


HEAD = (
    "program",
    "GiB",
    "GFLOP",
    "of ideal",
    "GB",
    "collectives",
    "float32 convolutions",
    "gathers",
    "callbacks",
    "ms (estimate)",
)


@dataclasses.dataclass(frozen=True)
class Ahead:
    """All programs of a configuration, compiled for one target."""

    target: str
    chip: Chip
    chips: int
    config: str
    programs: list[Compiled]

    def as_json(self) -> dict[str, Any]:
        """Return all of it, with the versions."""
        return {
            "benchmark": "compilation ahead of time",
            **dataclasses.asdict(self),
            "chip": self.chip._asdict(),
            "jax": jax.__version__,
            "gancmri_jax": __version__,
        }

    def __str__(self) -> str:
        chip = self.chip
        lines = [
            f"{self.config} for {self.chips} × {chip.name} ({chip.memory_gib:.0f} GiB, "
            f"{chip.tflops:g} TFLOP/s, {chip.gb_per_second:g} GB/s), a chip; nothing was run, "
            "milliseconds are estimates from these figures",
            "| " + " | ".join(HEAD) + " |",
            "|---" * len(HEAD) + "|",
            *("| " + " | ".join(each.row) + " |" for each in self.programs),
        ]
        return "\n".join(lines)


def compile_ahead(
    target: str,
    config: ConfigDict,
    name: str,
    on_program: Callable[[Compiled], object] = lambda _: None,
) -> Ahead:
    """Compile every program of a configuration for a target, such as `tpu:v5e:2x2`.

    Random numbers are drawn by the chip's own generator, which compiles faster than JAX's default.

    Raises:
        InputError: The target is not known, or JAX's plugin for it is not installed.
    """
    chip, devices = devices_of(target)
    mesh = data_mesh(devices)
    cached = jax.config.jax_enable_compilation_cache  # type: ignore[attr-defined]
    jax.config.update("jax_enable_compilation_cache", False)
    found, start = [], time.perf_counter()
    try:
        with jax.default_prng_impl("unsafe_rbg"):
            for program in programs(config, mesh):
                found.append(_compiled(program, chip, len(devices), start))
                on_program(found[-1])
                start = time.perf_counter()
    finally:
        jax.config.update("jax_enable_compilation_cache", cached)
    return Ahead(target, chip, len(devices), name, found)


def _compiled(program: Program, chip: Chip, chips: int, start: float) -> Compiled:
    lowered = program.traced.lower()
    compiled = lowered.compile()
    seconds = time.perf_counter() - start
    memory = compiled.memory_analysis()
    held = memory.argument_size_in_bytes + memory.output_size_in_bytes
    held += memory.temp_size_in_bytes - memory.alias_size_in_bytes
    findings: Findings = read_program(compiled.as_text())
    cost = compiled.cost_analysis()  # which the plugin for CUDA does not have
    gflop = cost["flops"] / 1e9 if cost else findings.gflop
    gbytes = cost["bytes accessed"] / 1e9 if cost else findings.gbytes
    sides = float32_sides(lowered.as_text()) if cost else findings.float32_sides
    seconds_at_best = max(gflop / (1e3 * chip.tflops), gbytes / chip.gb_per_second)
    return Compiled(
        name=program.name,
        what=program.what,
        memory_gib=held / 2**30,
        gflop=gflop,
        ideal_gflop=program.gflop / chips,
        gbytes=gbytes,
        collectives=findings.collectives,
        reduced=sorted(findings.reduced),
        float32_sides=sides,
        gathers=findings.gathers,
        callbacks=findings.callbacks,
        estimated_ms=1e3 * seconds_at_best,
        compile_s=seconds,
    )
