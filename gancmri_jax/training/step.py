"""One training step: generator, discriminator, moving averages, in that order.

The regularisers are lazy: which of them a step applies is a static argument, so each combination
is a program of its own.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray, UInt8
from ml_collections import ConfigDict

from gancmri_jax.cine.preprocess import to_model_range
from gancmri_jax.latents.truncation import broadcast_w, mix_styles
from gancmri_jax.networks.generator import draw_noise
from gancmri_jax.training.losses import (
    discriminator_loss,
    generator_loss,
    path_lengths,
    r1_squared_norms,
)
from gancmri_jax.training.state import TrainState, networks, optimizers

Metrics = dict[str, Array]
Step = Callable[..., tuple[TrainState, Metrics]]

_W_AVG_DECAY = 0.995
_PL_DECAY = 0.01


def make_step(config: ConfigDict) -> Step:
    """Build `step(state, images, regularize_g=, regularize_d=) -> (state, metrics)`, jitted.

    `images` are uint8 [n h w 1]; the state is donated. Randomness depends on the configuration's
    seed and on the step's number alone.
    """
    generator, discriminator = networks(config)
    g_optimizer, d_optimizer = optimizers(config)

    def map_z(params, z):
        return generator.apply({"params": params}, z, method="map")

    def synthesize(params, ws, key):
        noise = draw_noise(key, config.resolution, len(ws))
        return generator.apply({"params": params}, ws, noise, method="synthesize")

    def discriminate(params, images):
        return discriminator.apply({"params": params}, images)

    def draw_ws(params, key: PRNGKeyArray, num: int) -> tuple[Array, Array]:
        """Draw w's, some rows of which belong to a second w: [n num_ws w_dim], first w's mean."""
        z_key, other_key, cutoff_key, chance_key = jax.random.split(key, 4)
        z = jax.random.normal(z_key, (num, config.z_dim))
        other_z = jax.random.normal(other_key, (num, config.z_dim))
        w, other = map_z(params, z), map_z(params, other_z)
        num_ws = generator.num_ws
        cutoff = jax.random.randint(cutoff_key, (), 1, num_ws)
        mixing = jax.random.uniform(chance_key) < config.style_mixing
        cutoff = jnp.where(mixing, cutoff, num_ws)
        ws = mix_styles(broadcast_w(w, num_ws), broadcast_w(other, num_ws), cutoff)
        return ws, jnp.mean(w, axis=0)

    def generator_step(state: TrainState, key: PRNGKeyArray, batch: int):
        ws_key, noise_key = jax.random.split(key)

        def loss(params):
            ws, mean_w = draw_ws(params, ws_key, batch)
            logits = discriminate(state.d_params, synthesize(params, ws, noise_key))
            return jnp.mean(generator_loss(logits)), mean_w

        (value, mean_w), gradients = jax.value_and_grad(loss, has_aux=True)(state.g_params)
        state = state.replace(
            w_avg=optax.incremental_update(mean_w, state.w_avg, 1 - _W_AVG_DECAY),
            **_update(g_optimizer, gradients, state, "g"),
        )
        return state, {"loss/g": value}

    def path_length_step(state: TrainState, key: PRNGKeyArray, batch: int):
        ws_key, noise_key, y_key = jax.random.split(key, 3)

        def loss(params):
            ws, _ = draw_ws(params, ws_key, batch)
            y = jax.random.normal(y_key, (batch, config.resolution, config.resolution, 1))
            lengths, _ = path_lengths(lambda ws: synthesize(params, ws, noise_key), ws, y)
            pl_mean = state.pl_mean + _PL_DECAY * (jnp.mean(lengths) - state.pl_mean)
            penalty = jnp.mean(jnp.square(lengths - pl_mean))
            weight = config.pl_weight * config.g_reg_interval
            return weight * penalty, (penalty, pl_mean)

        gradients, (penalty, pl_mean) = jax.grad(loss, has_aux=True)(state.g_params)
        state = state.replace(pl_mean=pl_mean, **_update(g_optimizer, gradients, state, "g"))
        return state, {"reg/pl_penalty": penalty, "reg/pl_mean": pl_mean}

    def discriminator_step(state: TrainState, key: PRNGKeyArray, images):
        ws_key, noise_key = jax.random.split(key)
        ws, _ = draw_ws(state.g_params, ws_key, len(images))
        fakes = synthesize(state.g_params, ws, noise_key)

        def loss(params):
            real, fake = discriminate(params, images), discriminate(params, fakes)
            return discriminator_loss(real, fake), (real, fake)

        (value, (real, fake)), gradients = jax.value_and_grad(loss, has_aux=True)(state.d_params)
        metrics = {
            "loss/d": value,
            "logits/real": jnp.mean(real),
            "logits/fake": jnp.mean(fake),
            "logits/real_sign": jnp.mean(jnp.sign(real)),
        }
        return state.replace(**_update(d_optimizer, gradients, state, "d")), metrics

    def r1_step(state: TrainState, images):
        def loss(params):
            norms = r1_squared_norms(lambda x: discriminate(params, x), images)
            penalty = config.r1_gamma / 2 * jnp.mean(norms)
            return config.d_reg_interval * penalty, penalty

        gradients, penalty = jax.grad(loss, has_aux=True)(state.d_params)
        state = state.replace(**_update(d_optimizer, gradients, state, "d"))
        return state, {"reg/r1_penalty": penalty}

    def step(
        state: TrainState,
        images: UInt8[Array, "n h w 1"],
        *,
        regularize_g: bool,
        regularize_d: bool,
    ) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(config.seed), state.step)
        g_key, pl_key, d_key = jax.random.split(key, 3)
        batch = len(images)
        reals = to_model_range(images)
        state, metrics = generator_step(state, g_key, batch)
        if regularize_g:
            state, regularized = path_length_step(state, pl_key, max(batch // 2, 1))
            metrics |= regularized
        state, from_d = discriminator_step(state, d_key, reals)
        metrics |= from_d
        if regularize_d:
            state, regularized = r1_step(state, reals)
            metrics |= regularized
        return _average(state, config, batch), metrics

    return jax.jit(step, static_argnames=("regularize_g", "regularize_d"), donate_argnums=0)


def _update(
    optimizer: optax.GradientTransformation, gradients: Any, state: TrainState, network: str
) -> dict[str, Any]:
    """Return the fields of the state that one optimiser step on a network changes."""
    params = getattr(state, f"{network}_params")
    updates, opt = optimizer.update(gradients, getattr(state, f"{network}_opt"), params)
    return {f"{network}_params": optax.apply_updates(params, updates), f"{network}_opt": opt}


def _average(state: TrainState, config: ConfigDict, batch: int) -> TrainState:
    """Take one step of the generator's moving average: β = 0.5^(batch / half-life)."""
    half_life: Float[Array, ""] = jnp.asarray(config.ema_kimg * 1000.0)
    if config.ema_rampup is not None:
        half_life = jnp.minimum(half_life, (state.step + 1) * batch * config.ema_rampup)
    keep = 0.5 ** (batch / half_life)
    g_ema = optax.incremental_update(state.g_params, state.g_ema, 1 - keep)
    return state.replace(step=state.step + 1, g_ema=g_ema)
