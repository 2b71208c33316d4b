"""All that is worth knowing of an accelerator that is lent for some minutes, as one command.

Parity, times, kernels, then training from a model file for the time that is left. It needs no
network and no records, since it draws phantoms on the device, and no packages but JAX's and this
package's own arithmetic. What it has is written after every stage, whole: a kill costs one stage,
or a minute of training. A stage that fails is recorded, and the next begins.
"""

import dataclasses
import functools
import json
import pathlib
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt8
from ml_collections import ConfigDict
from PIL import Image

from gancmri_jax.atomic import atomic_write
from gancmri_jax.benchmarks import parity
from gancmri_jax.benchmarks.features import benchmark_features, benchmark_segmentation
from gancmri_jax.benchmarks.kernels import heaviest
from gancmri_jax.benchmarks.measure import Result
from gancmri_jax.benchmarks.projection import benchmark_projection
from gancmri_jax.benchmarks.random_model import random_model
from gancmri_jax.benchmarks.synthesis import FRAMES, benchmark_synthesis
from gancmri_jax.benchmarks.training import benchmark_training
from gancmri_jax.cine.phantom.population import draw
from gancmri_jax.cine.phantom.render import render_frames
from gancmri_jax.cine.preprocess import to_uint8
from gancmri_jax.errors import InputError
from gancmri_jax.model.file import read_header
from gancmri_jax.model.mesh import data_mesh, replicated, split
from gancmri_jax.model.model import Model
from gancmri_jax.training.config import check_config, schedule
from gancmri_jax.training.models import save_to_go_on, start_from
from gancmri_jax.training.sharding import check_batch
from gancmri_jax.training.state import TrainState, init_state
from gancmri_jax.training.step import make_step
from gancmri_jax.version import __version__

PART_BYTES = 15 * 2**20  # of a part of the model file
MOST_PARTS = 5  # beside report.json, metrics.jsonl and samples.png
WARMUP_STEPS = 200  # since the optimisers' moments are not carried
_PARITY = (
    64,
    4096,
    128,
)  # the most of size, channel base and channels: wider networks tell no more
_TIMED = 0.5  # of the time, after which no stage but training begins
_SAVE_SECONDS = 60.0
_TOLD = 2000  # letters of an error


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What is timed, and on how much.

    Attributes:
        size, channel_base, channel_max: Of the networks.
        projected, trained, looked_at: Frames of a batch, by stage.
        subjects, frames: Phantom hearts that are drawn, and the frames of each.
        rounds: How often each stage is timed.
        steps: The most steps to train, for a rehearsal; None for as many as there is time for.
    """

    size: int = 256
    channel_base: int = 32768
    channel_max: int = 512
    projected: int = 64
    trained: int = 32
    looked_at: int = 64
    subjects: int = 128
    frames: int = 50
    rounds: int = 3
    steps: int | None = None


class Report:
    """What was found so far, in `report.json`, which is whole at any time."""

    def __init__(self, folder: pathlib.Path, minutes: float) -> None:
        self._path = folder / "report.json"
        self._start = time.monotonic()
        self.seconds = 60 * minutes
        self.found: dict[str, Any] = {"minutes": minutes, "stages": {}}

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._start

    def note(self, stage: str, values: dict[str, Any]) -> None:
        """Keep what a stage found, and write everything."""
        self.found["stages"][stage] = values
        self.found["seconds"] = round(self.elapsed, 1)
        with atomic_write(self._path) as part:
            part.write_text(json.dumps(self.found, indent=2) + "\n")


def run_session(
    folder: pathlib.Path,
    model: str,
    config: ConfigDict,
    minutes: float,
    sizes: Sizes,
    say: Callable[[str], object] = print,
) -> dict[str, Any]:
    """Run all stages and return what `report.json` holds.

    Args:
        folder: Where everything is written: at most eight files of at most 16 MiB.
        model: A model file with discriminator, which is trained on; see `save_to_go_on`.
        config: Its configuration.
        minutes: How long this may take. Programs that compile are waited for.
        sizes: What is timed.
        say: Gets a line for every stage.

    Raises:
        InputError: The model cannot be trained on. The accelerator has not been used by then.
    """
    config = ready(config, model)
    folder.mkdir(parents=True, exist_ok=True)
    report = Report(folder, minutes)
    for name, stage in stages(folder, config, sizes, report):
        last = name == "train"
        if not last and report.elapsed > _TIMED * report.seconds:
            report.note(name, {"left out": "half of the time had passed"})
            say(f"{name}: left out, half of the time has passed")
            continue
        start = report.elapsed
        try:
            values = stage()
        except Exception as error:  # whatever it is: others are to run too
            said = "".join(traceback.format_exception(error))[-_TOLD:]
            values = {"failed": f"{type(error).__name__}: {error}"[:_TOLD], "traceback": said}
        report.note(name, {**values, "took_seconds": round(report.elapsed - start, 1)})
        say(f"{name}: {values.get('failed') or values.get('said') or 'done'}")
    return report.found


def ready(config: ConfigDict, model: str) -> ConfigDict:
    """Return the configuration for training on from a model file, all networks from the first step.

    Raises:
        InputError: It does not fit the model.
    """
    config = ConfigDict(config.to_dict())
    with config.unlocked():
        config.update(init_from=model, inversion_kimg=0.0, d_warmup_kimg=0.0, anneal_kimg=0.0)
        config.warmup_kimg = WARMUP_STEPS * config.batch_size / 1000
    header = read_header(model)
    if header.discriminator is None:
        raise InputError(
            f"{model}: has no discriminator to train on; `gancmri export --format training --model "
            "RUN` writes a model file with one"
        )
    if header.encoder is None:
        with config.unlocked():
            config.inversion_learning_rate = None
    check_config(config)
    check_batch(config.batch_size, config.accumulate, data_mesh())
    return config


def stages(
    folder: pathlib.Path, config: ConfigDict, sizes: Sizes, report: Report
) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Yield the stages in their order, each a function that returns what it found."""
    networks = sizes.size, sizes.channel_base, sizes.channel_max
    rounds = sizes.rounds
    yield "device", device
    small = [min(own, most) for own, most in zip(networks, _PARITY, strict=True)]
    yield "parity", lambda: check_parity(*small)
    yield "synthesis", lambda: timed(benchmark_synthesis(*networks, None, "bfloat16", rounds))
    yield (
        "projection",
        lambda: timed(benchmark_projection(*networks, sizes.projected, "bfloat16", rounds)),
    )
    yield "segmentation", lambda: timed(benchmark_segmentation(sizes.size, FRAMES, rounds))
    yield (
        "features",
        lambda: timed(benchmark_features("lpips", sizes.size, sizes.looked_at, rounds)),
    )
    yield "kernels", lambda: render_kernels(*networks)
    yield (
        "training",
        lambda: timed(benchmark_training(*networks, sizes.trained, "bfloat16", rounds)),
    )
    yield "train", lambda: train_on(folder, config, sizes, report)


def device() -> dict[str, Any]:
    """Say what this is."""
    first = jax.devices()[0]
    return {
        "said": f"{jax.device_count()} × {first.device_kind}",
        "device": first.device_kind,
        "devices": jax.device_count(),
        "platform": first.platform,
        "jax": jax.__version__,
        "gancmri_jax": __version__,
        "memory": memory(),
    }


def memory() -> dict[str, float]:
    """Return the device's memory and the most that was in use so far, in GiB, where it says."""
    found = jax.local_devices()[0].memory_stats() or {}
    names = {"bytes_limit": "limit_gib", "peak_bytes_in_use": "peak_gib"}
    return {names[key]: found[key] / 2**30 for key in names if key in found}


def timed(result: Result) -> dict[str, Any]:
    """Return what a benchmark found, with the memory that was in use at most so far."""
    return {"said": str(result), **result.as_json(), "memory": memory()}


def check_parity(size: int, channel_base: int, channel_max: int) -> dict[str, Any]:
    """Compare with this machine's CPU, and name what is too far from it."""
    errors = parity.errors(size, channel_base, channel_max, lambda _: None)
    wrong = [
        f"{name} in {precision}"
        for name, own in errors.items()
        for precision, error in own.items()
        if not error <= parity.TOLERANCES[precision]
    ]
    said = f"differs: {', '.join(wrong)}" if wrong else f"{len(errors)} agree with the CPU"
    return {"said": said, "errors": errors, "tolerances": parity.TOLERANCES, "wrong": wrong}


def render_kernels(size: int, channel_base: int, channel_max: int) -> dict[str, Any]:
    """Find what rendering a video spends its time in."""
    model = random_model(size, channel_base, channel_max, "bfloat16")
    path = jax.random.normal(jax.random.key(1), (FRAMES, model.num_ws, model.w_dim))
    model.render(path)
    return {"synthesis": heaviest(lambda: model.render(path))}


def draw_pool(size: int, subjects: int, frames: int) -> UInt8[Array, "n h w 1"]:
    """Draw normal phantoms on the device and window each as `prepare` does."""

    @jax.jit
    def window(pixels):
        low, high = jnp.percentile(pixels.astype(jnp.float32), jnp.asarray([1.0, 99.0]))
        shown = jnp.clip((pixels - low) / jnp.maximum(high - low, 1), 0, 1)
        return jnp.round(255 * shown).astype(jnp.uint8)[..., None]

    drawn = []
    for index in range(subjects):
        key = jax.random.fold_in(jax.random.key(0), index)
        anatomy_key, noise_key = jax.random.split(key)
        pixels, _ = render_frames(noise_key, draw(anatomy_key), size, frames)
        drawn.append(window(pixels))
    return jnp.concatenate(drawn)


def train_on(
    folder: pathlib.Path, config: ConfigDict, sizes: Sizes, report: Report
) -> dict[str, Any]:
    """Train until the time is up, writing model, metrics and samples every minute."""
    mesh, entered = data_mesh(), report.elapsed
    started_at = read_header(config.init_from).card.get("trained_kimg")
    origin = {"started_at_kimg": started_at, "data": "phantoms drawn on the device"}
    state = jax.device_put(start_from(config, init_state(config, mesh)), replicated(mesh))
    pool = draw_pool(config.resolution, sizes.subjects, sizes.frames)
    drawn_seconds = report.elapsed - entered
    step = make_step(config, mesh)

    @jax.jit
    def next_batch(pool, index):
        key = jax.random.fold_in(jax.random.key(config.seed + 1), index)
        return pool[jax.random.randint(key, (config.batch_size,), 0, len(pool))]

    told: dict[str, Any] = {"frames": len(pool)}
    saved = report.elapsed
    kernels, index, since, begun = None, 0, 0, report.elapsed
    pending: list[dict[str, Array]] = []
    # The last save takes as long as the ones before; it belongs to the time.
    save_seconds = 0.0

    def is_late() -> bool:
        enough = sizes.steps is not None and index >= sizes.steps
        return enough or report.elapsed + 1.5 * save_seconds > report.seconds

    while True:
        images = jax.device_put(next_batch(pool, index), split(mesh))
        state, metrics = step(state, images, **schedule(config, index))
        pending.append(metrics)
        index += 1
        if index == 2 * config.d_reg_interval + 1:  # all programs are compiled by now
            jax.block_until_ready(state)
            # Laid as the state is: laid otherwise, the step would be compiled once more.
            copied = jax.device_put(jax.tree.map(jnp.copy, state), replicated(mesh))
            kernels = kernels_of(functools.partial(_stepped, step, copied, images, config))
            since, begun = index, report.elapsed
        late = is_late()
        if index % config.d_reg_interval and not late:
            continue
        jax.block_until_ready(state)
        late = is_late()
        if late or report.elapsed - saved > _SAVE_SECONDS:
            start = report.elapsed
            rate = (index - since) * config.batch_size / max(report.elapsed - begun, 1e-9)
            told |= {
                "steps": index,
                "images_per_second": round(rate, 1),
                "drawing_and_setup_seconds": round(drawn_seconds, 1),
                "kernels": kernels,
                "memory": memory(),
            }
            told["last"] = _write(folder, state, config, origin, pending, index)
            pending = []
            report.note("train", told)
            saved = report.elapsed
            save_seconds = saved - start
            since, begun = index, saved
        if late:
            return {"said": f"{index} steps, {told['images_per_second']} images/s", **told}


def _stepped(step: Any, state: TrainState, images: Array, config: ConfigDict) -> None:
    """Take a step with all regularisers, which uses the state's buffers up."""
    jax.block_until_ready(step(state, images, **schedule(config, 0)))


def kernels_of(work: Callable[[], object]) -> Any:
    """Return the heaviest kernels, or why they cannot be had: training goes on without."""
    try:
        return heaviest(work)
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:_TOLD]


def _write(
    folder: pathlib.Path,
    state: TrainState,
    config: ConfigDict,
    origin: dict[str, Any],
    pending: list[dict[str, Array]],
    steps: int,
) -> dict[str, float]:
    """Write metrics, samples and the model; return the last metrics."""
    values = jax.device_get(pending)
    means = {
        name: float(np.mean([each[name] for each in values if name in each]))
        for name in sorted({name for each in values for name in each})
    }
    line = {"step": steps, "kimg": steps * config.batch_size / 1000, **means}
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    if not all(np.isfinite(value) for value in means.values()):
        raise InputError(f"training diverged by step {steps}; the model before is kept")
    whole = folder / "model.safetensors"
    model = save_to_go_on(state, config, origin, whole)
    split_file(whole)
    _write_samples(folder / "samples.png", model)
    return means


def _write_samples(path: pathlib.Path, model: Model) -> None:
    """Write 16 generated frames as one picture."""
    z = jax.random.normal(jax.random.key(0), (16, model.z_dim))
    images = to_uint8(np.asarray(model.synthesize(model.map(z, 0.7))))[..., 0]
    side = images.shape[1]
    grid = images.reshape(4, 4, side, side).swapaxes(1, 2).reshape(4 * side, 4 * side)
    with atomic_write(path) as part:
        Image.fromarray(grid).save(part, format="png")


def split_file(whole: pathlib.Path) -> list[pathlib.Path]:
    """Cut a file into parts that `cat model.safetensors.part*` joins, and remove it.

    Raises:
        InputError: There would be too many parts.
    """
    content = whole.read_bytes()
    parts = -(-len(content) // PART_BYTES)
    if parts > MOST_PARTS:
        whole.unlink()
        raise InputError(
            f"{whole.name}: {len(content) / 2**20:.0f} MiB are more than {MOST_PARTS} parts of "
            f"{PART_BYTES / 2**20:.0f} MiB; take a configuration with narrower layers"
        )
    written = []
    for index in range(parts):
        written.append(whole.with_name(f"{whole.name}.part{index}"))
        with atomic_write(written[-1]) as part:
            part.write_bytes(content[index * PART_BYTES : (index + 1) * PART_BYTES])
    whole.unlink()
    return written
