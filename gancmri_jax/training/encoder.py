"""Training of an encoder on its generator's own images; the same call continues a broken-off run.

A generated image is drawn from z, so its w is known. What is lowered is the distance of w to the
guess, each coordinate in units of its deviation, and that of the image to what the guess renders,
as in-domain inversion does (Zhu et al. 2020, section 3.1). Of a real frame the w is not known: its
guess is kept near the mean instead.
"""

import dataclasses
import functools
import hashlib
import json
import pathlib
import time
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Int, UInt8
from ml_collections import ConfigDict
from tqdm import tqdm

from gancmri_jax.cine.preprocess import to_model_range, to_uint8
from gancmri_jax.cine.video_file import tile, write_png
from gancmri_jax.errors import InputError
from gancmri_jax.latents.truncation import broadcast_w
from gancmri_jax.lock import one_run
from gancmri_jax.metrics.similarity import psnr, ssim
from gancmri_jax.model.encoder import Encoder, as_filed, network_for
from gancmri_jax.model.file import save_model
from gancmri_jax.model.model import Model
from gancmri_jax.networks.encoder import ResidualEncoder
from gancmri_jax.networks.generator import draw_noise
from gancmri_jax.runs.checkpoint import Checkpoints
from gancmri_jax.runs.writer import MetricsFile, pin_config
from gancmri_jax.training.encoder_data import Known, draw_w, know, spoil_each
from gancmri_jax.training.losses import picture_distances
from gancmri_jax.version import __version__

MODEL = "model.safetensors"  # in a run directory
PICTURE_WEIGHT = 10.0
MEAN_WEIGHT = 0.1  # of a real frame's distance to the mean w

_REPORT, _SAVE = 50, 100  # steps between lines of metrics, and between checkpoints
_SAMPLES = 12
_AT_ONCE = 64  # frames to be scored


class EncoderState(flax.struct.PyTreeNode):
    """The state of a run after `step` steps."""

    step: Int[Array, ""]
    params: Any
    opt: optax.OptState


def default_config() -> ConfigDict:
    """Return what suits the embedded model; the card of its encoder says what that had."""
    return ConfigDict(
        dict(
            channel_base=1024,
            channel_max=64,
            hidden=128,
            steps=3000,
            batch_size=16,
            learning_rate=3e-3,
            seed=6001,
        )
    )


def train_encoder(
    model: Model,
    config: ConfigDict,
    workdir: pathlib.Path,
    frames: UInt8[np.ndarray, "n h w"] | None = None,
) -> Model:
    """Train by the configuration, leaving everything in `workdir`; return the model with it.

    Args:
        model: Whose images are to be encoded.
        config: See `default_config`.
        workdir: Folder of the run.
        frames: Real frames; where there are any, half of each batch is of them.

    Raises:
        InputError: The configuration cannot be trained with, or `workdir` holds another run or is
            in use by one.
    """
    model.insist_grey()
    if frames is None:
        frames = np.zeros((0, model.resolution, model.resolution), np.uint8)
    with one_run(workdir, "train-encoder"):
        return _train(model, config, workdir, frames)


def _train(
    model: Model, config: ConfigDict, workdir: pathlib.Path, frames: UInt8[np.ndarray, "n h w"]
) -> Model:
    try:
        network = network_for(model.generator, config.to_dict())
    except ValueError as error:
        raise InputError(f"{error}; raise --channel-base") from error
    try:
        (workdir / "samples").mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(frames.tobytes()).hexdigest()[:16]
        of = {"model": model.fingerprint, "frames": digest}
        pin_config(workdir, ConfigDict({**config, **of}))
    except OSError as error:
        raise InputError(f"{workdir}: cannot be written: {error}") from error
    known = know(model, frames)
    state = init_state(model, network, config)

    with Checkpoints(workdir / "checkpoints") as checkpoints:
        if (loaded := checkpoints.load_latest(state)) is not None:
            state, _ = loaded
        done = int(state.step)
        metrics_file = MetricsFile(workdir / "metrics.jsonl", done)
        if done >= config.steps:
            return _leave(model, state, network, config, workdir, len(frames))

        step = make_step(model, network, config)
        bar = tqdm(total=config.steps, initial=done, unit=" steps", desc="train-encoder")
        seen, since = [], time.perf_counter()
        for index in range(done, config.steps):
            state, metrics = step(state, known)
            seen.append(metrics)
            bar.update()
            done, last = index + 1, index + 1 == config.steps
            if last or done % _REPORT == 0:
                means = jax.tree.map(lambda *x: float(np.mean(x)), *jax.device_get(seen))
                speed = len(seen) * config.batch_size / (time.perf_counter() - since)
                metrics_file.append({"step": done, "images_per_second": round(speed, 2), **means})
                bar.set_postfix_str(f"w {means['w']:.3f} picture {means['picture']:.4f}")
                seen, since = [], time.perf_counter()
            if last or done % _SAVE == 0:
                found = _leave(model, state, network, config, workdir, len(frames))
                _draw_samples(found, config, workdir / "samples" / f"{done:06d}.png")
                checkpoints.save(state, {"next_step": done})
        bar.close()
    return found


def init_state(model: Model, network: ResidualEncoder, config: ConfigDict) -> EncoderState:
    """Draw the initial parameters from the configuration's seed; the guess starts near the mean."""

    def init(w_avg) -> EncoderState:
        side = model.resolution
        image = jnp.zeros((1, side, side, model.generator.img_channels))
        params = network.init(jax.random.key(config.seed), image)["params"]
        params = {**params, "out": {**params["out"], "bias": w_avg}}
        return EncoderState(jnp.zeros((), jnp.int32), params, _optimizer(config).init(params))

    # An explicit sharding, as loaded checkpoints have: a resumed run finds its compiled programs.
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.jit(init, out_shardings=sharding)(model.w_avg)


def make_step(model: Model, network: ResidualEncoder, config: ConfigDict):
    """Build the jitted step (state, known) → (state, metrics): Adam, warm up, cosine down."""
    optimizer, generator = _optimizer(config), model.generator

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state: EncoderState, known: Known):
        num_real = config.batch_size // 2 if len(known.frames) else 0
        num_drawn = config.batch_size - num_real
        key = jax.random.fold_in(jax.random.key(config.seed), state.step)
        drawing, choosing, noising, spoiling = jax.random.split(key, 4)
        noise = draw_noise(noising, generator.resolution, config.batch_size)

        def render(w, noise):
            ws = broadcast_w(w, generator.num_ws)
            return generator.apply({"params": known.params}, ws, noise, method="synthesize")

        w = draw_w(drawing, generator, known, num_drawn)
        images = render(w, tuple(level[:num_drawn] for level in noise))
        if num_real:
            chosen = jax.random.randint(choosing, [num_real], 0, len(known.frames))
            real = to_model_range(known.frames[chosen])[..., None]
            images = jnp.concatenate([images, real])
        shown = spoil_each(jax.random.split(spoiling, config.batch_size), images)

        def loss(params):
            guess: Any = network.apply({"params": params}, shown)
            far = jnp.square((guess[:num_drawn] - w) / known.w_sd[None])
            astray = jnp.square((guess[num_drawn:] - known.w_avg[None]) / known.w_sd[None])
            apart = picture_distances(render(guess, noise), images)
            total = PICTURE_WEIGHT * jnp.mean(apart) + jnp.sum(jnp.mean(far, 1)) / len(images)
            total += MEAN_WEIGHT * jnp.sum(jnp.mean(astray, 1)) / len(images)
            metrics = {"w": jnp.mean(far), "picture": jnp.mean(apart[:num_drawn])}
            if num_real:
                metrics |= {"real/picture": jnp.mean(apart[num_drawn:])}
                metrics |= {"real/from_mean": jnp.mean(astray)}
            return total, metrics

        gradients, metrics = jax.grad(loss, has_aux=True)(state.params)
        updates, opt = optimizer.update(gradients, state.opt, state.params)
        params = optax.apply_updates(state.params, updates)
        return EncoderState(state.step + 1, params, opt), metrics

    return step


def encoder_of(
    model: Model,
    state: EncoderState,
    network: ResidualEncoder,
    config: ConfigDict,
    num_frames: int = 0,
) -> Encoder:
    """Build what users get of a state, its numbers as a model file keeps them."""
    card = {
        "gancmri_jax": __version__,
        "hardware": f"{jax.device_count()} × {jax.devices()[0].device_kind}",
        "data": "images of the model itself"
        + (f", and {num_frames} real frames" if num_frames else ""),
        "trained_steps": int(state.step),
        "config": json.loads(config.to_json()),
    }
    return as_filed(model.generator, Encoder(network, None).sizes, state.params, card)


def generated_frames(model: Model, seed: int, num: int = 256) -> UInt8[np.ndarray, "num h w"]:
    """Draw images from z, untruncated, to score an encoder on."""
    z = jax.random.normal(jax.random.key(seed), (num, model.z_dim))
    return to_uint8(model.render(model.map(z)))[..., 0]


def score(model: Model, frames: UInt8[np.ndarray, "n h w"]) -> dict[str, float]:
    """Score a model's encoder: frames beside what its guesses render, medians."""
    images = to_model_range(frames)[..., None]
    parts = range(0, len(images), _AT_ONCE)
    guess = jnp.concatenate([model.encode(images[at : at + _AT_ONCE]) for at in parts])
    found = to_uint8(model.render(broadcast_w(guess, model.num_ws)))[..., 0]
    return {
        "ssim": round(float(np.median(ssim(frames, found))), 4),
        "psnr_db": round(float(np.median(psnr(frames, found))), 2),
        "frames": len(frames),
    }


def _optimizer(config: ConfigDict) -> optax.GradientTransformation:
    warm = min(200, config.steps // 10)
    rate = optax.warmup_cosine_decay_schedule(0.0, config.learning_rate, warm, config.steps)
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate, b2=0.99))


def _leave(
    model: Model,
    state: EncoderState,
    network: ResidualEncoder,
    config: ConfigDict,
    workdir: pathlib.Path,
    num_frames: int,
) -> Model:
    encoder = encoder_of(model, state, network, config, num_frames)
    found = dataclasses.replace(model, encoder=encoder)
    save_model(found, workdir / MODEL)
    return found


def _draw_samples(model: Model, config: ConfigDict, path: pathlib.Path) -> None:
    """Draw the same images as they are, as the encoder is shown them, and as it finds them."""
    z = jax.random.normal(jax.random.key(config.seed), (_SAMPLES, model.z_dim))
    images = model.synthesize(model.map(z))
    shown = spoil_each(jax.random.split(jax.random.key(0), _SAMPLES), images)
    found = model.synthesize(broadcast_w(model.encode(shown), model.num_ws))
    rows = np.concatenate([images, shown, found])[..., 0]
    write_png(path, tile(to_uint8(rows), _SAMPLES))
