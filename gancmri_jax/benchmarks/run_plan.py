"""The plan of a whole study: its stages, their sizes and the hours to expect on this machine.

What takes longest is measured at its own size for a few seconds: reading cines, training steps,
projection steps and rendering. Steps of training that are rarer than the commonest one are scaled
from it by the operations that they need. What would take too long to measure here is computed from
its operations and this machine's rate of matrix products.
"""

import dataclasses
import pathlib
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from gancmri_jax.benchmarks.ideal import (
    LPIPS_GFLOP,
    SHARES,
    discriminator_gflop,
    synthesis_gflop,
)
from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cine.read import read_model_cines
from gancmri_jax.cine.records import Records, is_records, record_splits
from gancmri_jax.cine.split import FEWEST_SUBJECTS
from gancmri_jax.cine.subjects import list_subjects
from gancmri_jax.experiments.hardware import hardware
from gancmri_jax.experiments.run import Origin, RunOptions, find_origin
from gancmri_jax.experiments.run_stages import FRAMES, STEPS, projection_settings
from gancmri_jax.model.file import load_segmenter_of
from gancmri_jax.model.model import Model
from gancmri_jax.networks.generator import draw_noise
from gancmri_jax.projection.batch import suitable_batch
from gancmri_jax.projection.distance import chosen
from gancmri_jax.projection.project import problem_of, single_frames
from gancmri_jax.projection.projector import begin, in_half_precision, place, see, take_steps
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.start import w_statistics
from gancmri_jax.training.config import schedule, steps_of
from gancmri_jax.training.sharding import data_mesh, global_batch
from gancmri_jax.training.state import init_state, networks
from gancmri_jax.training.step import make_step

_READ = 3  # cines
_ROUNDS = 3
_STEPS = 4  # of a projection
_MOST_VIDEOS = 2048  # that FVD, roughness and closure take
_MOST_S = 5.0  # of one round of a measurement
_SIDE = 2048  # of matrices


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: Of the stage.
        what: Its size, in words.
        hours: To expect; 0 where it is done already.
    """

    name: str
    what: str
    hours: float


@dataclasses.dataclass(frozen=True)
class Plan:
    """The stages of a study.

    Attributes:
        stages: In their order.
        measured_s: Seconds that the measurements took, compilation included.
        hardware: What they were taken on.
    """

    stages: tuple[Stage, ...]
    measured_s: float
    hardware: str

    @property
    def hours(self) -> float:
        """Of all stages."""
        return sum(stage.hours for stage in self.stages)

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        return {**dataclasses.asdict(self), "hours": self.hours}

    def __str__(self) -> str:
        width = max(len(stage.what) for stage in self.stages)
        lines = [f"{s.name:13} {s.what:{width}}  {_hours(s.hours)}" for s in self.stages]
        lines.append(f"{'total':13} {'':{width}}  {_hours(self.hours)}")
        return "\n".join(
            [
                *lines,
                f"measured in {self.measured_s:.0f} s on {self.hardware}; expect half to twice",
            ]
        )


def _hours(hours: float) -> str:
    return f"{hours:8.2f} h" if hours < 100 else f"{hours:8.0f} h"


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What there is to do.

    Attributes:
        videos: By split; a guess from the number of subjects where cines are not read yet.
        frames: Of a video, the median.
        read_s: Seconds to read all cines; 0 where they are records.
    """

    videos: Mapping[str, int]
    frames: int
    read_s: float


@dataclasses.dataclass(frozen=True)
class Timing:
    """How long something takes: measured, or computed from its operations."""

    seconds: float
    computed: bool = False

    @property
    def note(self) -> str:
        """What a stage says where its time was not measured."""
        return " (time computed)" if self.computed else ""


def make_plan(
    source: pathlib.Path,
    out: pathlib.Path,
    *,
    config: ConfigDict | str | None = None,
    model: str | None = None,
    segmenter: str = "demo",
    options: RunOptions | None = None,
    reading: ReadOptions | None = None,
) -> Plan:
    """Measure this machine for about a minute, and say what `run` would do and for how long.

    Nothing is written. Stages that are done in `out` take no time.

    Args:
        source, config, model, segmenter, options: As `run` takes them.
        out: The study's folder, which need not exist.
        reading: How files are read.

    Raises:
        InputError: The input, the model or the configuration cannot be used.
    """
    begun = time.perf_counter()
    options = options or RunOptions()
    origin = find_origin(model, config)
    sizes = count_sizes(source, origin.size, reading)
    generator = origin.model or untrained_model(origin)
    if generator.segmenter is None:
        generator = dataclasses.replace(generator, segmenter=load_segmenter_of(segmenter))
    settings = planned_settings(origin, generator, options)
    gflops = matmul_gflops()
    step = None if origin.config is None else time_training_step(origin.config, gflops)
    frame_step = time_projection_step(generator, settings, gflops)
    video = time_video(generator, gflops)
    stages = list_stages(origin, options, sizes, settings, step, frame_step, video)
    done = {path.stem for path in (out / "stages").glob("*.json")}
    stages = [
        dataclasses.replace(s, what=f"{s.what} (done)", hours=0.0) if s.name in done else s
        for s in stages
    ]
    return Plan(tuple(stages), time.perf_counter() - begun, hardware())


def list_stages(
    origin: Origin,
    options: RunOptions,
    sizes: Sizes,
    settings: Settings,
    step: Timing | None,
    frame_step: Timing,
    video: Timing,
) -> list[Stage]:
    """Return the stages of a study, from what was counted and measured.

    Args:
        origin: Where the model comes from.
        options: How much of everything.
        sizes: What there is to do.
        settings: Of projection.
        step: Of the commonest training step; None where none is trained.
        frame_step: Of a step of projection, for one frame.
        video: Of rendering a beat.
    """
    video_s = video.seconds
    total = sum(sizes.videos.values())
    stages = [
        Stage("records", f"{total} cines of about {sizes.frames} frames", sizes.read_s / 3600)
    ]
    if origin.config is not None:
        assert step is not None
        steps = steps_of(origin.config.total_kimg, origin.config)
        seconds = step.seconds * equivalent_steps(origin.config)
        what = f"{origin.config.total_kimg:g} kimg at {origin.size}×{origin.size}, {steps} steps"
        what += step.note
        stages.append(Stage("train", what, seconds / 3600))
    beats = min(options.beats, sizes.videos["train"])
    pairs = min(options.pairs, sizes.videos["train"] - beats)
    for name, frames in (("beats", beats * sizes.frames), ("pairs", 2 * pairs)):
        if frames:
            seconds = frames * settings.num_steps * frame_step.seconds
            what = f"{frames} frames, {settings.num_steps} steps each{frame_step.note}"
            stages.append(Stage(name, what, seconds / 3600))
    measured = sizes.videos.get("test", total)
    frames = min(options.frames, measured * sizes.frames)
    clips = min(_MOST_VIDEOS, measured)
    frame_s = video_s / FRAMES
    stages.append(Stage("fit", "motion, directions, calibration", 64 * video_s / 3600))
    stages.append(
        Stage(
            "synthesize",
            f"{options.videos} videos of {FRAMES} frames",
            (options.videos + 4) * video_s / 3600,
        )
    )
    # Networks that look at frames take about as long as rendering them.
    seconds = 2 * (2 * frames * frame_s + 3 * clips * video_s)
    what = f"{frames} frames and {clips} videos of each set"
    stages.append(Stage("metrics", what, seconds / 3600))
    seconds = 2 * frame_s * (2 * frames + sizes.videos["train"] * sizes.frames)
    stages.append(
        Stage("memorisation", f"{frames} frames against all training frames", seconds / 3600)
    )
    return stages


def count_sizes(source: pathlib.Path, size: int, reading: ReadOptions | None) -> Sizes:
    """Count cines; read a few of them where they are not records yet.

    Raises:
        InputError: Nothing can be read.
    """
    if is_records(source):
        splits = {split: Records(source, split) for split in record_splits(source)}
        lengths = [n for cines in splits.values() for n in cines.num_frames]
        return Sizes(
            {split: len(cines) for split, cines in splits.items()},
            int(statistics.median(lengths)),
            0.0,
        )
    subjects = len(list_subjects(source))
    begun = time.perf_counter()
    cines = read_model_cines(source, size, most=_READ, options=reading, on_refusal=lambda _: None)
    seconds = (time.perf_counter() - begun) / len(cines)
    held_out = round(subjects / 10) if subjects >= FEWEST_SUBJECTS else 0
    videos = {"train": subjects - 2 * held_out}
    if held_out:
        videos |= {"validation": held_out, "test": held_out}
    frames = int(statistics.median(len(cine.pixels) for cine in cines))
    return Sizes(videos, frames, subjects * seconds)


def untrained_model(origin: Origin) -> Model:
    """Return a model of a configuration's sizes, which is as fast as a trained one."""
    assert origin.config is not None
    generator, _ = networks(origin.config)
    keys = jax.random.split(jax.random.key(0), 2)
    params = jax.jit(generator.init)(keys[0], jnp.zeros((1, generator.z_dim)))["params"]
    return Model(generator, params, jnp.zeros(generator.w_dim), draw_noise(keys[1], origin.size))


def kinds_of_steps(config: ConfigDict) -> Counter[tuple[tuple[str, bool], ...]]:
    """Count the steps of a training by what is in them."""
    steps = range(steps_of(config.total_kimg, config))
    return Counter(tuple(schedule(config, index).items()) for index in steps)


def equivalent_steps(config: ConfigDict) -> float:
    """Return how many of the commonest steps take as long as all steps, by their operations."""
    kinds = kinds_of_steps(config)
    (commonest, _), *_ = kinds.most_common(1)
    unit = step_gflop(config, **dict(commonest))
    return sum(count * step_gflop(config, **dict(kind)) / unit for kind, count in kinds.items())


def step_gflop(
    config: ConfigDict,
    train_g: bool,
    train_d: bool,
    regularize_g: bool,
    regularize_d: bool,
    invert: bool,
) -> float:
    """Count a step's operations for one image of its batch, as `ideal.training_gflop` does.

    An encoder is as large as a discriminator; inversion takes three passes of it and of the
    generator.
    """
    generator, _ = networks(config)
    g = synthesis_gflop(generator)
    d = discriminator_gflop(config.resolution, config.channel_base, config.channel_max)
    parts = (
        (train_g, 3 * g + 2 * d),
        (train_d, g + 6 * d),
        (regularize_g, 3 * g),
        (regularize_d, 6 * d),
        (invert, 3 * g + 3 * d),
    )
    return sum(gflop for is_in, gflop in parts if is_in)


def matmul_gflops() -> float:
    """Return the rate of float32 matrix products, 10⁹ operations a second."""
    side = jnp.ones((_SIDE, _SIDE), jnp.float32)
    product = jax.jit(lambda a, b: a @ b)
    return 2 * _SIDE**3 / 1e9 / _seconds(lambda: jax.block_until_ready(product(side, side)))


def time_training_step(config: ConfigDict, gflops: float) -> Timing:
    """Return how long the commonest training step takes, once compiled."""
    (commonest, _), *_ = kinds_of_steps(config).most_common(1)
    needed = config.batch_size * step_gflop(config, **dict(commonest))
    if (expected := needed / (gflops * SHARES["training"])) > _MOST_S:
        return Timing(expected, computed=True)
    mesh = data_mesh()
    step, state = make_step(config, mesh), init_state(config, mesh)
    shape = (config.batch_size, config.resolution, config.resolution, 1)
    images = global_batch(np.random.default_rng(0).integers(0, 256, shape, np.uint8), mesh)

    def work() -> None:
        nonlocal state
        state, _ = step(state, images, **dict(commonest))
        jax.block_until_ready(state)

    return Timing(_seconds(work))


def planned_settings(origin: Origin, model: Model, options: RunOptions) -> Settings:
    """Return how frames will be projected, by the model that is there or will be trained."""
    settings = projection_settings(model, options.steps, options.distance)
    settings = dataclasses.replace(settings, distance=chosen(settings.distance, model))
    if origin.config is not None and origin.config.inversion_learning_rate is not None:
        steps = options.steps or STEPS["encoder"]
        return dataclasses.replace(settings, num_steps=steps)  # an encoder is trained along
    return settings


def time_projection_step(model: Model, settings: Settings, gflops: float) -> Timing:
    """Return how long a step of projection takes for one frame of a batch, from the mean.

    Raises:
        InputError: The model lacks what the distance needs.
    """
    settings = dataclasses.replace(settings, start="mean")
    batch = suitable_batch(model, settings)
    needed = 2 * synthesis_gflop(model.generator)
    if settings.distance == "lpips":
        needed += LPIPS_GFLOP * model.resolution**2
    if (expected := needed / (gflops * SHARES["projection"])) * batch * _STEPS > _MOST_S:
        return Timing(expected, computed=True)
    keys = jax.random.split(jax.random.key(0), batch)
    clips, variables = single_frames(
        jnp.zeros((batch, model.resolution, model.resolution, 1)),
        keys,
        jnp.repeat(model.w_avg[None, None], batch, axis=0),
        draw_noise(keys[0], model.resolution, batch),
    )
    problem = problem_of(model, settings, w_statistics(model))
    if settings.dtype == "bfloat16":
        problem = in_half_precision(problem)
    problem, clips, variables = place(problem, clips, variables)
    seen, state, stopped = see(problem, clips), begin(variables), jnp.zeros(batch, bool)

    def work() -> None:
        nonlocal state
        state = take_steps(problem, clips, seen, state, stopped, 0, _STEPS)
        jax.block_until_ready(state)

    return Timing(_seconds(work) / (_STEPS * batch))


def time_video(model: Model, gflops: float) -> Timing:
    """Return how long a beat takes to render."""
    needed = FRAMES * synthesis_gflop(model.generator)
    if (expected := needed / (gflops * SHARES["rendering"])) > _MOST_S:
        return Timing(expected, computed=True)
    path = jnp.repeat(model.sample(0)[None], FRAMES, axis=0)
    return Timing(_seconds(lambda: model.render(path)))


def _seconds(work: Callable[[], object]) -> float:
    work()  # which compiles
    times = []
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)
