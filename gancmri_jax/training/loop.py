"""Training from the first step to the last; the same call continues a run that broke off."""

import json
import pathlib
import time

import jax
import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from gancmri_jax.cine.pipeline import frame_batches
from gancmri_jax.errors import InputError
from gancmri_jax.model.file import save_model
from gancmri_jax.model.model import Model
from gancmri_jax.networks.generator import draw_noise
from gancmri_jax.training.checkpoint import Checkpoints
from gancmri_jax.training.config import check_config
from gancmri_jax.training.state import TrainState, init_state, networks
from gancmri_jax.training.step import Metrics, make_step
from gancmri_jax.training.writer import MetricsFile, pin_config, save_grid
from gancmri_jax.version import __version__

_GRID = (8, 4)  # columns, rows
_NOISE = 2**31  # of the seed's keys, the one of the constant noise: no step has this number


def train(config: ConfigDict, workdir: pathlib.Path) -> Model:
    """Train by the configuration, leaving everything in `workdir`; return the averaged model.

    Raises:
        InputError: The configuration cannot be trained with, the data do not fit it, or `workdir`
            holds another run.
    """
    # Validate.
    check_config(config)
    data = frame_batches(pathlib.Path(config.data), "train", config.batch_size, config.seed)
    size = next(data).shape[1]
    data.set_state({"next_index": 0})
    if size != config.resolution:
        raise InputError(
            f"{config.data}: frames are {size}×{size}, the configuration's resolution is "
            f"{config.resolution}; prepare with --size {config.resolution}"
        )

    # Set up.
    try:
        (workdir / "samples").mkdir(parents=True, exist_ok=True)
        pin_config(workdir, config)
    except OSError as error:
        raise InputError(f"{workdir}: cannot be written: {error}") from error
    jax.config.update("jax_compilation_cache_dir", str((workdir / "compiled").resolve()))
    step = make_step(config)
    state = init_state(config)

    with Checkpoints(workdir / "checkpoints") as checkpoints:
        # Load.
        if (loaded := checkpoints.load_latest(state)) is not None:
            state, data_state = loaded
            data.set_state(data_state)
        done, total = int(state.step), _steps(config.total_kimg, config)
        metrics_file = MetricsFile(workdir / "metrics.jsonl", done)
        if done >= total:  # a finished run, called again, still leaves its model
            _snapshot(averaged_model(state, config), workdir, done * config.batch_size)

        ticks = Ticks(done)
        bar = tqdm(
            total=total * config.batch_size,
            initial=done * config.batch_size,
            unit="img",
            unit_scale=True,
            desc="train",
        )
        for index in range(done, total):
            # Step.
            state, metrics = step(
                state,
                next(data),
                regularize_g=index % config.g_reg_interval == 0,
                regularize_d=index % config.d_reg_interval == 0,
            )
            ticks.add(metrics)
            bar.update(config.batch_size)

            # Report.
            done, last = index + 1, index + 1 == total
            if last or done % _steps(config.kimg_per_tick, config) == 0:
                values = ticks.report(done, config.batch_size)
                metrics_file.append(values)
                bar.set_postfix_str(
                    f"g {values['loss/g']:.2f} d {values['loss/d']:.2f} "
                    f"{values['images_per_second']:.1f} img/s"
                )

            # Snapshot and checkpoint.
            if last or done % _steps(config.kimg_per_snapshot, config) == 0:
                model = averaged_model(state, config)
                _snapshot(model, workdir, done * config.batch_size)
                checkpoints.save(state, data.get_state())
        bar.close()
    return averaged_model(state, config)


def averaged_model(state: TrainState, config: ConfigDict) -> Model:
    """Build the model that users get: the generator's moving average."""
    generator, _ = networks(config)
    noise_key = jax.random.fold_in(jax.random.key(config.seed), _NOISE)
    return Model(
        generator=generator,
        params=state.g_ema,
        w_avg=state.w_avg,
        noise=draw_noise(noise_key, config.resolution),
        card={
            "gancmri_jax": __version__,
            "hardware": f"{jax.device_count()} × {jax.devices()[0].device_kind}",
            "trained_kimg": int(state.step) * config.batch_size / 1000,
            "config": json.loads(config.to_json()),
        },
    )


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


def _steps(kimg: float, config: ConfigDict) -> int:
    return max(round(kimg * 1000 / config.batch_size), 1)


def _snapshot(model: Model, workdir: pathlib.Path, nimg: int) -> None:
    """Write `model.safetensors` and a grid of the same seeds each time."""
    save_model(model, workdir / "model.safetensors")
    columns, rows = _GRID
    z = jax.vmap(lambda seed: jax.random.normal(jax.random.key(seed), (model.z_dim,)))(
        np.arange(columns * rows)
    )
    images = np.asarray(model.synthesize(model.map(z)))
    save_grid(workdir / "samples" / f"{nimg // 1000:06d}kimg.png", images, columns)
