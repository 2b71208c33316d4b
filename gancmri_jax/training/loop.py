"""Training from the first step to the last; the same call continues a run that broke off."""

import contextlib
import functools
import pathlib
import signal
import threading
import time
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from gancmri_jax.cine.pipeline import frame_batches
from gancmri_jax.cine.records import Records
from gancmri_jax.errors import InputError
from gancmri_jax.model.file import read_header
from gancmri_jax.model.model import Model
from gancmri_jax.model.together import any_process, one_run_of_all
from gancmri_jax.runs.checkpoint import Checkpoints
from gancmri_jax.runs.writer import pin_config
from gancmri_jax.training.config import check_config, frozen_steps, schedule, steps_of
from gancmri_jax.training.models import averaged_model, learned_by, start_from
from gancmri_jax.training.perceptual import looks_of, with_fingerprint
from gancmri_jax.training.phantoms import Phantoms, phantoms_a_batch
from gancmri_jax.training.progress import Progress
from gancmri_jax.training.sharding import (
    check_batch,
    data_mesh,
    global_batch,
    replicated,
)
from gancmri_jax.training.state import TrainState, init_state, with_fresh_optimizers
from gancmri_jax.training.step import Metrics, make_step, r1_gamma

_VIDEOS = 100  # whose spacing and pace become the model's


def train(
    config: ConfigDict,
    workdir: pathlib.Path,
    tensorboard: bool = False,
    new_data: bool = False,
) -> Model:
    """Train by the configuration, leaving everything in `workdir`; return the averaged model.

    On several hosts every process calls it, after `jax.distributed.initialize`; the first writes.

    Args:
        config: See `gancmri_jax/configs/phantom64.py`.
        workdir: The run's folder.
        tensorboard: Also write event files for TensorBoard, beside `metrics.jsonl`.
        new_data: Resume a run even where its training records have changed.

    Raises:
        InputError: The configuration cannot be trained with, the data do not fit it, `workdir`
            holds another run or is in use by one, or training diverged.
        Terminated: The process was asked to end; all is saved.
    """
    check_config(config)
    with one_run_of_all(workdir, "train"):
        return _train(config, workdir, tensorboard, new_data)


def _train(config: ConfigDict, workdir: pathlib.Path, tensorboard: bool, new_data: bool) -> Model:
    # Validate.
    mesh = data_mesh()
    check_batch(config.batch_size, config.accumulate, mesh)
    source, first = pathlib.Path(config.data), jax.process_index() == 0
    process = (jax.process_index(), jax.process_count())
    rendered = phantoms_a_batch(config, process[1])
    recorded = config.batch_size - rendered * process[1]
    data = frame_batches(source, "train", recorded, config.seed, process=process)
    size = next(data).shape[1]
    data.set_state({"next_index": 0})
    if size != config.resolution:
        raise InputError(
            f"{config.data}: frames are {size}×{size}, the configuration's resolution is "
            f"{config.resolution}; prepare with --size {config.resolution}"
        )
    config = with_fingerprint(config)
    frozen = looks_of(config, replicated(mesh))
    state = init_state(config, mesh)
    origin = origin_of(config, source)

    # Set up.
    refused: Exception | None = None
    try:
        if first:
            (workdir / "samples").mkdir(parents=True, exist_ok=True)
            pin_config(workdir, config, Records(source, "train").fingerprint, new_data)
    except InputError as error:
        refused = error
    except OSError as error:
        refused = InputError(f"{workdir}: cannot be written: {error}")
    if any_process(refused is not None):
        raise refused or InputError(f"{workdir}: the first process refused it")
    step = functools.partial(make_step(config, mesh), **({"looks": frozen} if frozen else {}))
    phantoms = Phantoms(config, process) if rendered else None
    thaw, with_learned = frozen_steps(config), learned_by(config)

    def averaged(state: TrainState, done: int) -> Model:
        model = averaged_model(state, config, origin)
        return with_learned(model) if done <= thaw else model

    progress = Progress(config, workdir, source, tensorboard) if first else None

    with Checkpoints(workdir / "checkpoints") as checkpoints, Termination() as termination:
        # Load.
        if (loaded := checkpoints.load_latest(state)) is not None:
            state, data_state = loaded
            data.set_state(data_state)
        elif config.init_from:
            state = jax.device_put(start_from(config, state), replicated(mesh))
        done, total = int(state.step), steps_of(config.total_kimg, config)
        if progress:
            progress.start(done, total)
        if done >= total and progress:  # a finished run, called again, still leaves its model
            progress.leave(averaged(state, done))

        ticks = Ticks(done)
        for index in range(done, total):
            # Step.
            if index == thaw > 0:
                state = with_fresh_optimizers(state, config, mesh)
            batch = next(data) if phantoms is None else phantoms.mixed(next(data), index)
            state, metrics = step(state, global_batch(batch, mesh), **schedule(config, index))
            ticks.add(metrics)
            done = index + 1
            tick = done % steps_of(config.kimg_per_tick, config) == 0
            snapshot = done % steps_of(config.kimg_per_snapshot, config) == 0
            # Several processes end at the same step: they ask one another at every tick.
            alone = jax.process_count() == 1
            ending = termination.asked if alone else tick and any_process(termination.asked)
            last = done == total or ending
            if progress:
                progress.step()

            # Report.
            if (last or tick or snapshot) and (broken := ticks.first_broken()):
                raise InputError(diverged(*broken, checkpoints.latest, config))
            if last or tick:
                told = ticks.report(done, config.batch_size)
                if progress:
                    progress.report(told)

            # Snapshot and checkpoint.
            if last or snapshot:
                checkpoints.save(state, data.get_state())
                if progress:
                    progress.snapshot(averaged(state, done), done)
            if ending and done < total:
                raise Terminated(done)
        if progress:
            progress.close()
    return averaged(state, done)


def diverged(step: int, quantity: str, value: float, good: int | None, config: ConfigDict) -> str:
    """Say in one line that training came to nothing, and what there is to go on from."""
    kept = f"the last checkpoint is of step {good}" if good else "there is no checkpoint yet"
    way_out = (
        f"Lower learning_rate ({config.learning_rate}), raise r1_gamma ({r1_gamma(config):.4g})"
    )
    if quantity.startswith("inversion/"):
        way_out = f"Lower inversion_learning_rate ({config.inversion_learning_rate})"
    return (
        f"training diverged: {quantity} is {value} at step {step}; {kept}. {way_out}, or take "
        "dtype float32, in another --workdir"
    )


class Terminated(Exception):
    """The process was asked to end (SIGTERM) and has saved where it stood."""


class Termination:
    """Notices SIGTERM, so that the step in hand is finished first; a context manager."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> "Termination":
        main = threading.current_thread() is threading.main_thread()
        self._before = signal.signal(signal.SIGTERM, self._ask) if main else None
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    def _ask(self, *_: object) -> None:
        self.asked = True


def origin_of(config: ConfigDict, source: pathlib.Path) -> dict[str, Any]:
    """Say what a model comes from besides its configuration, for its card.

    `spacing_mm` (rows, columns) and `frame_ms` are medians over the first training videos, since a
    generated heart has the size and pace of those it was learned from. They are left out where no
    video knows them.
    """
    cines = Records(source, "train")[:_VIDEOS]
    known = [cine.spacing_mm for cine in cines if np.isfinite(cine.spacing_mm).all()]
    paces = [cine.frame_ms for cine in cines if cine.frame_ms]
    origin: dict[str, Any] = {}
    if known:
        origin["spacing_mm"] = np.median(known, axis=0).round(4).tolist()
    if paces:
        origin["frame_ms"] = round(float(np.median(paces)), 3)
    with contextlib.suppress(InputError):  # a resumed run no longer needs what it began from
        if config.init_from:
            origin["started_at_kimg"] = read_header(config.init_from).card.get("trained_kimg")
    return origin


class Ticks:
    """Mean metrics and speed since the last report."""

    def __init__(self, step: int) -> None:
        self._restart(step)

    def _restart(self, step: int) -> None:
        self._metrics: list[Metrics] = []
        self._step, self._time = step, time.perf_counter()

    def add(self, metrics: Metrics) -> None:
        """Take in one step's metrics, still on the device."""
        self._metrics.append(metrics)

    def first_broken(self) -> tuple[int, str, float] | None:
        """Return step, quantity and value of the first metric that is no number, or None."""
        for index, metrics in enumerate(jax.device_get(self._metrics), start=self._step + 1):
            for name, value in metrics.items():
                if not np.isfinite(value):
                    return index, name, float(value)
        return None

    def report(self, step: int, batch_size: int) -> dict[str, float]:
        """Return the means since the last report; a regulariser's over the steps that had it."""
        seen: dict[str, list[float]] = {}
        for metrics in jax.device_get(self._metrics):
            for name, value in metrics.items():
                seen.setdefault(name, []).append(float(value))
        seconds = time.perf_counter() - self._time
        speed = (step - self._step) * batch_size / seconds
        self._restart(step)
        means = {name: float(np.mean(values)) for name, values in sorted(seen.items())}
        return {
            "step": step,
            "kimg": step * batch_size / 1000,
            "images_per_second": round(speed, 2),
            **means,
        }
