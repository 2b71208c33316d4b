"""How a whole biobank's codes are kept and learned from: a made-up study, stage by stage.

Codes are drawn at random, smooth over the beat, so that no network is needed: what is measured is
time, memory and files of the stages that depend on the number of subjects alone. Each runs in a
process of its own. Stages of networks are not run; their hours are computed from their operations.
"""

import contextlib
import dataclasses
import multiprocessing
import pathlib
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gancmri_jax.benchmarks.chips import CHIPS
from gancmri_jax.benchmarks.count import multiply_adds
from gancmri_jax.benchmarks.ideal import (
    LPIPS_GFLOP,
    SHARES,
    discriminator_gflop,
    synthesis_gflop,
    training_gflop,
)
from gancmri_jax.benchmarks.pipeline import shifted_hearts
from gancmri_jax.cine.phenotypes import write_phenotypes
from gancmri_jax.cine.records import Records, write_records
from gancmri_jax.experiments.hardware import hardware
from gancmri_jax.fitting.fit import FitOptions, fit
from gancmri_jax.model.file import load_model, save_model
from gancmri_jax.model.model import Model
from gancmri_jax.networks.cardiac_fcn import CardiacFCN
from gancmri_jax.networks.generator import Generator, draw_noise
from gancmri_jax.projection.store import Begun, LatentStore, Video, VideoCodes, open_latents
from gancmri_jax.projection.survey import survey
from gancmri_jax.training.config import read_config

FRAMES = 50
_MODEL, _STORE, _TABLE = "model.safetensors", "latents.zarr", "phenotypes.csv"
_HARMONICS = 4  # of a made-up beat
_LOOKS = 20  # of a search of 1,000 steps
_STEPS = 1000
_CORES = 64
_CORE_GFLOPS = 80.0  # float32 products, of one of the two cores of docs/benchmarks.md


@dataclasses.dataclass(frozen=True)
class Stage:
    """What a stage took.

    Attributes:
        name: Of the stage.
        subjects: How many it was measured with; fewer than the study's where it is extrapolated.
        seconds: For the whole study.
        cpu_seconds: Of processors' time, which other programs on the machine do not lengthen.
        peak_gib: Most memory of its process, that of Python and JAX included.
        files, megabytes: What it left on the disk, for the whole study.
    """

    name: str
    subjects: int
    seconds: float
    cpu_seconds: float
    peak_gib: float
    files: int = 0
    megabytes: float = 0.0


@dataclasses.dataclass(frozen=True)
class Hours:
    """Hours of a stage of networks, computed from its operations and never measured.

    Attributes:
        name: Of the stage.
        what: Its size.
        exaflop: Operations of the ideal algorithm, 10¹⁸.
        h200: Hours of one NVIDIA H200.
        node: Hours of a node of 64 CPU cores.
    """

    name: str
    what: str
    exaflop: float
    h200: float
    node: float


@dataclasses.dataclass(frozen=True)
class StudyResult:
    """What the benchmark found.

    Attributes:
        subjects: Of the made-up study.
        stages: Measured, or extrapolated from fewer subjects.
        hours: Computed.
        hardware: What stages were measured on.
    """

    subjects: int
    stages: tuple[Stage, ...]
    hours: tuple[Hours, ...]
    hardware: str

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.subjects} subjects of {FRAMES} frames, on {self.hardware}"]
        lines.append("stage                       seconds     CPU s  peak GiB    files        MB")
        for stage in self.stages:
            some = stage.subjects < self.subjects
            note = f"  (extrapolated from {stage.subjects})" if some else ""
            lines.append(
                f"{stage.name:26} {stage.seconds:8.1f} {stage.cpu_seconds:9.1f} "
                f"{stage.peak_gib:9.2f} {stage.files:8} {stage.megabytes:9.1f}{note}"
            )
        lines.append("computed from operations    EFLOP   hours of one H200   of 64 CPU cores")
        for each in self.hours:
            lines.append(
                f"{each.name:26} {each.exaflop:6.1f} {each.h200:19.1f} {each.node:17.0f}  "
                f"({each.what})"
            )
        return "\n".join(lines)


def benchmark_study(
    subjects: int, size: int, sample: int = 40, on_stage: Callable[[str], object] = lambda _: None
) -> StudyResult:
    """Make up a study in a temporary folder, and run the stages that need no network.

    Args:
        subjects: How many.
        size: Height and width of a frame, in pixels: of the records, and of the network whose codes
            are made up.
        sample: Subjects whose records are written, of which the whole study's are extrapolated.
        on_stage: Called with the name of each stage as it begins.
    """
    sample = min(sample, subjects)
    plan = (
        ("records", _write_records, sample),
        ("start, from the summary", _survey_summary, sample),
        ("start, from all pixels", _survey_pixels, sample),
        ("write and pack codes", _write_codes, subjects),
        ("read codes", _read_codes, subjects),
        ("fit", _fit, subjects),
    )
    stages = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        save_model(_empty_model(size), folder / _MODEL)
        for stage, function, count in plan:
            on_stage(stage)
            before = _held(folder)
            took = _alone(function, folder, count, size)
            files, held = (now - then for now, then in zip(_held(folder), before, strict=True))
            part = subjects / count
            stages.append(
                Stage(
                    stage,
                    count,
                    round(took.seconds * part, 3),
                    round(took.cpu_seconds * part, 3),
                    round(took.peak_gib, 3),
                    files,
                    round(held / 1e6 * part, 1),
                )
            )
    return StudyResult(subjects, tuple(stages), tuple(computed_hours(subjects)), hardware())


def computed_hours(subjects: int) -> Iterator[Hours]:
    """Yield hours of the stages of networks, at 256² as the paper.

    They are operations over the rate of matrix products (an H200's by its public figures, in
    bfloat16; a core's by docs/benchmarks.md, in float32), and over the share of it that two CPU
    cores reach. What an H200 reaches of its rate is not measured.
    """
    config = read_config("ukbb256")
    generator = Generator(
        resolution=256, channel_base=config.channel_base, channel_max=config.channel_max
    )
    synthesis = synthesis_gflop(generator)
    discriminator = discriminator_gflop(256, config.channel_base, config.channel_max)
    image = training_gflop(synthesis, discriminator, config.g_reg_interval, config.d_reg_interval)
    segmenter, frame = CardiacFCN(), jax.ShapeDtypeStruct((1, 256, 256, 1), jnp.float32)
    parameters = jax.eval_shape(segmenter.init, jax.random.key(0), frame)
    masks = 2 * multiply_adds(segmenter.apply, parameters, frame) / 1e9
    frames = subjects * FRAMES
    step = 2 * synthesis + LPIPS_GFLOP * 256**2
    stages = (
        ("train", f"{config.total_kimg:,.0f} kimg", config.total_kimg * 1e3 * image, "training"),
        ("segment", f"{frames:,} frames", frames * masks, "rendering"),
        ("project", f"{frames:,} frames, {_STEPS} steps", frames * _STEPS * step, "projection"),
        ("synthesize", "1,000 videos", 1000 * FRAMES * synthesis, "rendering"),
    )
    for name, what, gflop, kind in stages:
        rates = CHIPS["h200"].tflops * 1e3, _CORES * _CORE_GFLOPS
        h200, node = (gflop / (rate * SHARES[kind]) / 3600 for rate in rates)
        yield Hours(name, what, gflop / 1e9, h200, node)


def _empty_model(size: int) -> Model:
    """Return a model whose codes are as large as the paper's at this size, with nothing to draw."""
    generator = Generator(resolution=size, channel_base=64, channel_max=8)
    z = jnp.zeros((1, generator.z_dim))
    shapes = jax.eval_shape(generator.init, jax.random.key(0), z)["params"]
    noise = jax.eval_shape(lambda: draw_noise(jax.random.key(0), size))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), (shapes, noise))
    return Model(generator, zeros[0], jnp.zeros(generator.w_dim), zeros[1])


class Took(NamedTuple):
    """What a stage took for the subjects that it was run with."""

    seconds: float
    cpu_seconds: float
    peak_gib: float


class Clock:
    """Adds up the time of what counts."""

    def __init__(self) -> None:
        self.seconds = self.cpu_seconds = 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Count the time until the block ends."""
        begun, begun_cpu = time.perf_counter(), time.process_time()
        yield
        self.seconds += time.perf_counter() - begun
        self.cpu_seconds += time.process_time() - begun_cpu


Function = Callable[[pathlib.Path, int, int, Clock], None]


def _alone(function: Function, folder: pathlib.Path, count: int, size: int) -> Took:
    """Run a stage in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(_measured, function, folder, count, size).result()


def _measured(function: Function, folder: pathlib.Path, count: int, size: int) -> Took:
    clock = Clock()
    function(folder, count, size, clock)
    return Took(clock.seconds, clock.cpu_seconds, _peak_gib())


def _peak_gib() -> float:
    """Return the most memory that this process has taken so far."""
    status = pathlib.Path("/proc/self/status")
    if status.is_file():  # Linux, whose `ru_maxrss` counts the process that started this one
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _held(folder: pathlib.Path) -> tuple[int, int]:
    """Return how many files are in a folder, and their bytes."""
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    return len(sizes), sum(sizes)


def _write_records(folder: pathlib.Path, count: int, size: int, clock: Clock) -> None:
    hearts = list(shifted_hearts(size, count))
    with clock.running():
        write_records(folder / "records", {"train": hearts})


class _NotSummarised(Records):
    """Records as an earlier version wrote them."""

    def summary(self) -> None:
        """Return nothing."""


def _survey_summary(folder: pathlib.Path, count: int, size: int, clock: Clock) -> None:
    _survey(folder, Records(folder / "records", "train"), clock)


def _survey_pixels(folder: pathlib.Path, count: int, size: int, clock: Clock) -> None:
    _survey(folder, _NotSummarised(folder / "records", "train"), clock)


def _survey(folder: pathlib.Path, records: Records, clock: Clock) -> None:
    model = load_model(str(folder / _MODEL))
    with clock.running():
        survey(model, records, "all", None, Begun([], {}))


def _write_codes(folder: pathlib.Path, count: int, size: int, clock: Clock) -> None:
    """Write made-up codes as projection does, video by video; drawing them does not count."""
    model = load_model(str(folder / _MODEL))
    rng = np.random.default_rng(0)
    es_frames = rng.integers(15, 24, count)
    videos = [
        Video(f"{index:06d}", FRAMES, 0, int(es), "records") for index, es in enumerate(es_frames)
    ]
    provenance = {"model": model.fingerprint, "space": "w"}
    shape = (model.num_ws, model.w_dim)
    with clock.running():
        store = LatentStore.open(
            folder / _STORE, videos, shape, [], provenance, _LOOKS, one_row=True
        )
    for index in range(count):
        found = _made_up(rng, *shape)
        with clock.running():
            store.write(index, list(range(FRAMES)), found)
            store.pack(whole=True)
    with clock.running():
        store.flag_far(None)
    values = rng.normal(size=(2, count))
    rows = {
        video.subject: {"lv_area_ed_cm2": float(area), "sphericity_index": float(shape)}
        for video, area, shape in zip(videos, *values, strict=True)
    }
    write_phenotypes(folder / _TABLE, rows)


def _made_up(rng: np.random.Generator, num_ws: int, w_dim: int) -> VideoCodes:
    """Return a smooth random beat with a little jitter, in W."""
    angle = 2 * np.pi * np.arange(FRAMES)[:, None] / FRAMES * np.arange(1, _HARMONICS + 1)
    basis = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)  # [t 2·harmonics]
    waves = 0.2 * rng.standard_normal((2 * _HARMONICS, w_dim), np.float32)
    w = rng.standard_normal(w_dim, np.float32) + basis.astype(np.float32) @ waves
    w += 0.02 * rng.standard_normal(w.shape, np.float32)
    curve = np.sort(rng.random((FRAMES, _LOOKS), np.float32))[:, ::-1]
    ws = np.broadcast_to(w[:, None], (FRAMES, num_ws, w_dim))
    return VideoCodes(ws, (), curve[:, -1], np.full(FRAMES, _STEPS), curve)


def _read_codes(folder: pathlib.Path, count: int, size: int, clock: Clock) -> None:
    with clock.running():
        codes, _ = open_latents(folder / _STORE)
        read = sum(len(chunk.subjects) for chunk in codes.chunks())
    assert read == count


def _fit(folder: pathlib.Path, count: int, size: int, clock: Clock) -> None:
    model = load_model(str(folder / _MODEL))
    options = FitOptions(folder / _TABLE)
    with clock.running():
        fit(model, [folder / _STORE], folder / "fitted.safetensors", options)
