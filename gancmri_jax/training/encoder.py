"""Training of an encoder on its generator's own images; the same call continues a broken-off run.

Every image is drawn from z, so its w is known. What is lowered is the distance of w to the guess,
each coordinate in units of its deviation, and that of the image to what the guess renders, as
in-domain inversion does (Zhu et al. 2020, section 3.1).
"""

import dataclasses
import functools
import json
import pathlib
import time
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict
from tqdm import tqdm

from gancmri_jax.cine.preprocess import to_model_range, to_uint8
from gancmri_jax.cine.video_file import tile, write_png
from gancmri_jax.errors import InputError
from gancmri_jax.latents.truncation import broadcast_w
from gancmri_jax.metrics.similarity import psnr, ssim
from gancmri_jax.model.encoder import Encoder, from_tensors, network_for, to_tensors
from gancmri_jax.model.model import Model
from gancmri_jax.networks.encoder import ResidualEncoder
from gancmri_jax.networks.generator import draw_noise
from gancmri_jax.ops.augment import bias_field, blur
from gancmri_jax.training.checkpoint import Checkpoints
from gancmri_jax.training.writer import MetricsFile, pin_config
from gancmri_jax.version import __version__

MODEL = "model.safetensors"  # in a run directory
LEAST_PSI = 0.5  # images are truncated by a psi between this and 1
BLUR_MOST = 1.2  # pixels
NOISE_MOST = 0.2  # of the range from black to grey
GAIN_SD, OFFSET_SD, BIAS = 0.1, 0.05, 0.25
PICTURE_WEIGHT = 10.0

_REPORT, _SAVE = 50, 200  # steps between lines of metrics, and between checkpoints
_SAMPLES = 12
_COARSEST = 8


class EncoderState(flax.struct.PyTreeNode):
    """The state of a run after `step` steps."""

    step: Int[Array, ""]
    params: Any
    opt: optax.OptState


class Known(NamedTuple):
    """What a run needs of its model: parameters, and mean and deviation of each coordinate of w."""

    params: Any
    w_avg: Float[Array, "w_dim"]
    w_sd: Float[Array, "w_dim"]


def default_config() -> ConfigDict:
    """Return what the embedded encoder was trained with."""
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


def train_encoder(model: Model, config: ConfigDict, workdir: pathlib.Path) -> Model:
    """Train by the configuration, leaving everything in `workdir`; return the model with it.

    Raises:
        InputError: The configuration cannot be trained with, or `workdir` holds another run.
    """
    try:
        network = network_for(model.generator, config)
    except ValueError as error:
        raise InputError(f"{error}; raise --channel-base") from error
    try:
        (workdir / "samples").mkdir(parents=True, exist_ok=True)
        pin_config(workdir, ConfigDict({**config, "model": model.fingerprint}))
    except OSError as error:
        raise InputError(f"{workdir}: cannot be written: {error}") from error
    jax.config.update("jax_compilation_cache_dir", str((workdir / "compiled").resolve()))
    known = know(model)
    state = init_state(model, network, config)

    with Checkpoints(workdir / "checkpoints") as checkpoints:
        if (loaded := checkpoints.load_latest(state)) is not None:
            state, _ = loaded
        done = int(state.step)
        metrics_file = MetricsFile(workdir / "metrics.jsonl", done)
        if done >= config.steps:
            return _leave(model, state, network, config, workdir)

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
                found = _leave(model, state, network, config, workdir)
                _draw_samples(found, config, workdir / "samples" / f"{done:06d}.png")
                checkpoints.save(state, {"next_step": done})
        bar.close()
    return found


def know(model: Model) -> Known:
    """Measure how far each coordinate of w goes from its mean."""
    w = model.map_w(jax.random.normal(jax.random.key(0), (10_000, model.z_dim)))
    return Known(model.params, model.w_avg, jnp.std(w, axis=0))


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
        key = jax.random.fold_in(jax.random.key(config.seed), state.step)
        drawing, noising, spoiling = jax.random.split(key, 3)
        noise = draw_noise(noising, generator.resolution, config.batch_size)

        def render(w):
            ws = broadcast_w(w, generator.num_ws)
            return generator.apply({"params": known.params}, ws, noise, method="synthesize")

        w = draw_w(drawing, generator, known, config.batch_size)
        images = render(w)
        shown = _spoil_each(jax.random.split(spoiling, config.batch_size), images)

        def loss(params):
            guess = network.apply({"params": params}, shown)
            far = jnp.mean(jnp.square((guess - w) / known.w_sd[None]))
            picture = picture_distance(render(guess), images)
            return far + PICTURE_WEIGHT * picture, {"w": far, "picture": picture}

        gradients, metrics = jax.grad(loss, has_aux=True)(state.params)
        updates, opt = optimizer.update(gradients, state.opt, state.params)
        return EncoderState(
            state.step + 1, optax.apply_updates(state.params, updates), opt
        ), metrics

    return step


def draw_w(key: PRNGKeyArray, generator: Any, known: Known, num: int) -> Float[Array, "n w_dim"]:
    """Draw w's from z, each truncated by a psi of its own."""
    by_z, by_psi = jax.random.split(key)
    z = jax.random.normal(by_z, (num, generator.z_dim))
    w = generator.apply({"params": known.params}, z, method="map")
    psi = jax.random.uniform(by_psi, (num, 1), minval=LEAST_PSI)
    return known.w_avg[None] + psi * (w - known.w_avg[None])


def spoil(key: PRNGKeyArray, image: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
    """Change an image as scanners do, more or less, where no anatomy moves; clip it to [−1, 1].

    Brightness, contrast, a coil's bias field, blur, and noise: so that real frames, which have all
    of them, are not strange to an encoder that learns from generated ones.
    """
    keys = jax.random.split(key, 6)
    gain, offset = jax.random.normal(keys[0], [2])
    image = (image + 1) * jnp.exp(BIAS * bias_field(keys[1], len(image)))[..., None] - 1
    image = image * jnp.exp(GAIN_SD * gain) + OFFSET_SD * offset
    sigma = BLUR_MOST * jax.random.uniform(keys[2]) ** 2
    image = jax.vmap(lambda channel: blur(channel, sigma), -1, -1)(image)
    sd = NOISE_MOST * jax.random.uniform(keys[3]) ** 3
    return jnp.clip(image + sd * jax.random.normal(keys[4], image.shape), -1, 1)


_spoil_each = jax.jit(jax.vmap(spoil))


def picture_distance(a: Float[Array, "n h w c"], b: Float[Array, "n h w c"]) -> Float[Array, ""]:
    """Return the mean squared difference of pixels, summed over a 2× pyramid down to 8²."""
    n, _, _, c = a.shape
    difference, total = a - b, jnp.zeros(())
    while True:
        total += jnp.mean(jnp.square(difference))
        size = difference.shape[1]
        if size <= _COARSEST:
            return total
        difference = difference.reshape(n, size // 2, 2, size // 2, 2, c).mean(axis=(2, 4))


def encoder_of(
    model: Model, state: EncoderState, network: ResidualEncoder, config: ConfigDict
) -> Encoder:
    """Build what users get of a state, its numbers as a model file keeps them."""
    card = {
        "gancmri_jax": __version__,
        "hardware": f"{jax.device_count()} × {jax.devices()[0].device_kind}",
        "data": "images of the model itself",
        "trained_steps": int(state.step),
        "config": json.loads(config.to_json()),
    }
    encoder = Encoder(network, state.params, card)
    return from_tensors(model.generator, encoder.sizes, to_tensors(encoder), card)


def held_back_scores(model: Model, seed: int, num: int = 256) -> dict[str, float]:
    """Score a model's encoder on images of another seed: what its guess renders beside them."""
    z = jax.random.normal(jax.random.key(seed), (num, model.z_dim))
    w = model.map_w(z)
    images = to_uint8(model.render(broadcast_w(w, model.num_ws)))[..., 0]
    guess = model.encode(to_model_range(images)[..., None])
    found = to_uint8(model.render(broadcast_w(guess, model.num_ws)))[..., 0]
    unexplained = jnp.sum(jnp.square(guess - w)) / jnp.sum(jnp.square(w - model.w_avg[None]))
    return {
        "ssim": round(float(np.median(ssim(images, found))), 4),
        "psnr_db": round(float(np.median(psnr(images, found))), 2),
        "w_explained": round(1 - float(unexplained), 4),
        "images": num,
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
) -> Model:
    found = dataclasses.replace(model, encoder=encoder_of(model, state, network, config))
    found.save(workdir / MODEL)
    return found


def _draw_samples(model: Model, config: ConfigDict, path: pathlib.Path) -> None:
    """Draw the same images as they are, as the encoder is shown them, and as it finds them."""
    z = jax.random.normal(jax.random.key(config.seed), (_SAMPLES, model.z_dim))
    images = model.synthesize(model.map(z))
    shown = _spoil_each(jax.random.split(jax.random.key(0), _SAMPLES), images)
    found = model.synthesize(broadcast_w(model.encode(shown), model.num_ws))
    rows = np.concatenate([images, shown, found])[..., 0]
    write_png(path, tile(to_uint8(rows), _SAMPLES))
