"""One training step: generator, encoder, discriminator, moving averages, in that order.

The regularisers are lazy: which of them a step applies is a static argument, so each combination
is a program of its own.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8
from ml_collections import ConfigDict

from gancmri_jax.cine.preprocess import to_model_range
from gancmri_jax.latents.truncation import broadcast_w, mix_styles
from gancmri_jax.networks.generator import draw_noise
from gancmri_jax.training.augmentation import augment, next_p
from gancmri_jax.training.config import option, steps_of
from gancmri_jax.training.freezing import held, kept
from gancmri_jax.training.inversion import (
    NUM_DRAWN,
    encoder_network,
    inversion_loss,
    inversion_optimizer,
)
from gancmri_jax.training.losses import (
    discriminator_loss,
    generator_loss,
    path_lengths,
    r1_squared_norms,
)
from gancmri_jax.training.perceptual import Look
from gancmri_jax.training.sharding import data_mesh, replicated, split
from gancmri_jax.training.state import TrainState, networks, optimizers

Metrics = dict[str, Array]
Step = Callable[..., tuple[TrainState, Metrics]]

_W_AVG_DECAY = 0.995
_PL_DECAY = 0.01
_ADA_INTERVAL = 4  # steps


def make_step(config: ConfigDict, mesh: Mesh | None = None) -> Step:
    """Build `step(state, images, **parts) -> (state, metrics)`, with the parts of `schedule`.

    It is jitted. With `train_g=False` neither adversary nor path length changes the generator, with
    `train_d=False` the discriminator stays as it is; `invert` lowers the error of generator and
    encoder. With `freeze=True` what the configuration's `freeze_below` names stays as it is.
    `images` are uint8 [n h w 1]; the state is donated; `looks` are frozen networks that the
    reconstruction is compared in, and stay. Randomness depends on the configuration's
    seed and on the step's number alone, not on how many devices the batch is split over.
    """
    mesh = mesh or data_mesh()
    generator, discriminator = networks(config)
    g_optimizer, d_optimizer = optimizers(config)
    remembered = jax.checkpoint if config.remat else lambda function: function
    train_noise = not option(config, "noise_by_adversary")

    def trained(params, freeze: bool):
        return held(params, config.freeze_below) if freeze else params

    def spread(x: Array) -> Array:
        """Split an array over the devices along its first axis, where that comes out even."""
        return lax.with_sharding_constraint(x, split(mesh)) if len(x) % mesh.size == 0 else x

    def map_z(params, z):
        return generator.apply({"params": params}, z, method="map")

    def synthesize(params, ws, key):
        noise = jax.tree.map(spread, draw_noise(key, config.resolution, len(ws)))
        return generator.apply({"params": params}, ws, noise, method="synthesize")

    def discriminate(params, images, key, p):
        """Return logits, of augmented images where the configuration augments."""
        if config.ada_target is not None:
            images = augment(key, images, p)
        return discriminator.apply({"params": params}, images)

    def draw_ws(params, key: PRNGKeyArray, num: int) -> tuple[Array, Array]:
        """Draw w's, some rows of which belong to a second w: [n num_ws w_dim], first w's mean."""
        z_key, other_key, cutoff_key, chance_key = jax.random.split(key, 4)
        z = spread(jax.random.normal(z_key, (num, config.z_dim)))
        other_z = spread(jax.random.normal(other_key, (num, config.z_dim)))
        w, other = map_z(params, z), map_z(params, other_z)
        num_ws = generator.num_ws
        cutoff = jax.random.randint(cutoff_key, (), 1, num_ws)
        mixing = jax.random.uniform(chance_key) < config.style_mixing
        cutoff = jnp.where(mixing, cutoff, num_ws)
        ws = mix_styles(broadcast_w(w, num_ws), broadcast_w(other, num_ws), cutoff)
        return ws, jnp.mean(w, axis=0)

    def generator_step(state: TrainState, key: PRNGKeyArray, batch: int, freeze: bool):
        def part(key: PRNGKeyArray):
            ws_key, noise_key, ada_key = jax.random.split(key, 3)

            def loss(params):
                params = trained(params, freeze)
                ws, mean_w = draw_ws(params, ws_key, batch // config.accumulate)
                fakes = synthesize(params, ws, noise_key)
                logits = discriminate(state.d_params, fakes, ada_key, state.ada_p)
                return jnp.mean(generator_loss(logits)), mean_w

            (value, mean_w), gradients = jax.value_and_grad(loss, has_aux=True)(state.g_params)
            return gradients, value, mean_w

        gradients, value, mean_w = mean_over_parts(part, config.accumulate, key)
        state = state.replace(
            w_avg=optax.incremental_update(mean_w, state.w_avg, 1 - _W_AVG_DECAY),
            **_update(g_optimizer, gradients, state, "g", config, freeze),
        )
        return state, {"loss/g": value}

    def path_length_step(state: TrainState, key: PRNGKeyArray, batch: int, freeze: bool):
        num = max(batch // 2 // config.accumulate, 1)  # path lengths take half a batch

        def part(key: PRNGKeyArray):
            ws_key, noise_key, y_key = jax.random.split(key, 3)

            def loss(params):
                params = trained(params, freeze)
                ws, _ = draw_ws(params, ws_key, num)
                size = (num, config.resolution, config.resolution, 1)
                y = spread(jax.random.normal(y_key, size))
                images = remembered(lambda ws: synthesize(params, ws, noise_key))
                lengths, _ = path_lengths(images, ws, y)
                pl_mean = state.pl_mean + _PL_DECAY * (jnp.mean(lengths) - state.pl_mean)
                penalty = jnp.mean(jnp.square(lengths - pl_mean))
                weight = config.pl_weight * config.g_reg_interval
                return weight * penalty, (penalty, pl_mean)

            gradients, (penalty, pl_mean) = jax.grad(loss, has_aux=True)(state.g_params)
            return gradients, penalty, pl_mean

        gradients, penalty, pl_mean = mean_over_parts(part, config.accumulate, key)
        state = state.replace(
            pl_mean=pl_mean, **_update(g_optimizer, gradients, state, "g", config, freeze)
        )
        return state, {"reg/pl_penalty": penalty, "reg/pl_mean": pl_mean}

    def inversion_step(
        state: TrainState, key: PRNGKeyArray, images, freeze: bool, looks: tuple[Look, ...]
    ):
        before = state.inversion
        assert before is not None
        encoder, optimizer = encoder_network(config), inversion_optimizer(config)
        params = (state.g_params, before.params)

        def encode(reals: Array) -> Any:
            return encoder.apply({"params": before.params}, reals)

        w = over_parts(encode, config.accumulate, images)
        w_queue = jnp.concatenate([w, before.w_queue])[: len(before.w_queue)]

        def part(key: PRNGKeyArray, reals):
            z_key, noise_key = jax.random.split(key)
            z = spread(jax.random.normal(z_key, (NUM_DRAWN, config.z_dim)))
            noise = jax.tree.map(spread, draw_noise(noise_key, config.resolution, len(reals)))

            def loss(params):
                own = trained(params, freeze)
                return inversion_loss(
                    generator, encoder, own, reals, w_queue, z, noise, train_noise, looks
                )

            return jax.grad(loss, has_aux=True)(params)

        gradients, (terms, mean_w) = mean_over_parts(part, config.accumulate, key, images)
        updates, opt = optimizer.update(gradients, before.opt, params)
        updates = annealed(updates, state.step, config)
        after = optax.apply_updates(params, updates)
        if freeze:
            after, opt = kept((params, before.opt), (after, opt), config.freeze_below)
        g_params, e_params = after
        inversion = before.replace(params=e_params, opt=opt, w_queue=w_queue)
        return state.replace(g_params=g_params, inversion=inversion), terms, mean_w

    def discriminator_step(state: TrainState, key: PRNGKeyArray, images, freeze: bool):
        def part(key: PRNGKeyArray, reals):
            ws_key, noise_key, real_key, fake_key = jax.random.split(key, 4)
            ws, _ = draw_ws(state.g_params, ws_key, len(reals))
            fakes = synthesize(state.g_params, ws, noise_key)

            def loss(params):
                params = trained(params, freeze)
                real = discriminate(params, reals, real_key, state.ada_p)
                fake = discriminate(params, fakes, fake_key, state.ada_p)
                return discriminator_loss(real, fake), (real, fake)

            (value, (real, fake)), gradients = jax.value_and_grad(loss, has_aux=True)(
                state.d_params
            )
            metrics = {
                "loss/d": value,
                "logits/real": jnp.mean(real),
                "logits/fake": jnp.mean(fake),
                "logits/real_sign": jnp.mean(jnp.sign(real)),
            }
            return gradients, metrics

        gradients, metrics = mean_over_parts(part, config.accumulate, key, images)
        changes = _update(d_optimizer, gradients, state, "d", config, freeze)
        return state.replace(**changes), metrics

    def r1_step(state: TrainState, key: PRNGKeyArray, images, freeze: bool):
        def part(key: PRNGKeyArray, reals):
            def loss(params):
                params = trained(params, freeze)
                logits = remembered(lambda x: discriminate(params, x, key, state.ada_p))
                penalty = r1_gamma(config) / 2 * jnp.mean(r1_squared_norms(logits, reals))
                return config.d_reg_interval * penalty, penalty

            gradients, penalty = jax.grad(loss, has_aux=True)(state.d_params)
            return gradients, penalty

        gradients, penalty = mean_over_parts(part, config.accumulate, key, images)
        state = state.replace(**_update(d_optimizer, gradients, state, "d", config, freeze))
        return state, {"reg/r1_penalty": penalty}

    def step(
        state: TrainState,
        images: UInt8[Array, "n h w 1"],
        *,
        regularize_g: bool,
        regularize_d: bool,
        train_g: bool = True,
        train_d: bool = True,
        invert: bool = False,
        freeze: bool = False,
        looks: tuple[Look, ...] = (),
    ) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(config.seed), state.step)
        g_key, pl_key, d_key, r1_key = jax.random.split(key, 4)
        inversion_key = jax.random.fold_in(key, 4)
        batch = len(images)
        reals = spread(to_model_range(images))
        metrics: Metrics = {}
        if train_g:
            state, metrics = generator_step(state, g_key, batch, freeze)
        if regularize_g:
            state, regularized = path_length_step(state, pl_key, batch, freeze)
            metrics |= regularized
        if invert:
            state, terms, mean_w = inversion_step(state, inversion_key, reals, freeze, looks)
            metrics |= terms
            if not train_g:  # whose step moves it otherwise
                w_avg = optax.incremental_update(mean_w, state.w_avg, 1 - _W_AVG_DECAY)
                state = state.replace(w_avg=w_avg)
        if train_d:
            state, from_d = discriminator_step(state, d_key, reals, freeze)
            metrics |= from_d
        if regularize_d:
            state, regularized = r1_step(state, r1_key, reals, freeze)
            metrics |= regularized
        if train_d and config.ada_target is not None:
            state = _adapt(state, metrics["logits/real_sign"], config, batch)
            metrics["ada/p"] = state.ada_p
        return _average(state, config, batch), metrics

    return jax.jit(
        step,
        static_argnames=("regularize_g", "regularize_d", "train_g", "train_d", "invert", "freeze"),
        donate_argnums=0,
        out_shardings=replicated(mesh),
    )


def mean_over_parts(
    function: Callable[..., Any], parts: int, key: PRNGKeyArray, *batches: Array
) -> Any:
    """Average `function(key, *batches)` over equal parts of the batches, one after another.

    Memory is that of one part. Each part has a key of its own, and takes every `parts`-th image,
    so that it lies on the same devices as the whole.
    """
    if parts == 1:
        return function(key, *batches)

    def add(total, part):
        index, own = part
        values = function(jax.random.fold_in(key, index), *own)
        return jax.tree.map(jnp.add, total, values), None

    stacked = jax.tree.map(lambda x: _in_parts(x, parts), batches)
    shapes = jax.eval_shape(function, key, *jax.tree.map(lambda x: x[0], stacked))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    total, _ = lax.scan(add, zeros, (jnp.arange(parts), stacked))
    return jax.tree.map(lambda x: x / parts, total)


def over_parts(function: Callable[[Array], Array], parts: int, batch: Array) -> Array:
    """Return `function(batch)`, which treats its rows apart, computed by the same parts."""
    if parts == 1:
        return function(batch)
    rows = lax.map(function, _in_parts(batch, parts)).swapaxes(0, 1)
    return rows.reshape(len(batch), *rows.shape[2:])


def _in_parts(x: Array, parts: int) -> Array:
    return x.reshape(len(x) // parts, parts, *x.shape[1:]).swapaxes(0, 1)


def r1_gamma(config: ConfigDict) -> float:
    """Return R1's weight; by default StyleGAN2-ADA's heuristic, 0.0002 · resolution² / batch."""
    if config.r1_gamma is not None:
        return config.r1_gamma
    return 0.0002 * config.resolution**2 / config.batch_size


def _adapt(state: TrainState, real_sign: Array, config: ConfigDict, batch: int) -> TrainState:
    """Move the probability of augmentation, every fourth step."""
    signs = state.ada_signs + real_sign
    due = (state.step + 1) % _ADA_INTERVAL == 0
    moved = next_p(
        state.ada_p,
        signs / _ADA_INTERVAL,
        config.ada_target,
        batch * _ADA_INTERVAL,
        round(config.ada_kimg * 1000),
    )
    return state.replace(
        ada_p=jnp.where(due, moved, state.ada_p), ada_signs=jnp.where(due, 0.0, signs)
    )


def annealed(updates: Any, step: Int[Array, ""], config: ConfigDict) -> Any:
    """Shorten an optimiser's updates as all learning rates rise at first and fall at the end.

    Both are linear, over `warmup_kimg`, which configurations may leave out, and `anneal_kimg`.
    """
    if warmup := config.get("warmup_kimg"):
        risen = jnp.minimum((step + 1) / steps_of(warmup, config), 1.0)
        updates = jax.tree.map(lambda update: update * risen, updates)
    if not config.anneal_kimg:
        return updates
    left = steps_of(config.total_kimg, config) - step
    share = jnp.clip(left / steps_of(config.anneal_kimg, config), 0.0, 1.0)
    return jax.tree.map(lambda update: update * share, updates)


def _update(
    optimizer: optax.GradientTransformation,
    gradients: Any,
    state: TrainState,
    network: str,
    config: ConfigDict,
    freeze: bool,
) -> dict[str, Any]:
    """Return the fields of the state that one optimiser step on a network changes."""
    before = [getattr(state, f"{network}_{part}") for part in ("params", "opt")]
    updates, opt = optimizer.update(gradients, before[1], before[0])
    updates = annealed(updates, state.step, config)
    after = [optax.apply_updates(before[0], updates), opt]
    params, opt = kept(before, after, config.freeze_below) if freeze else after
    return {f"{network}_params": params, f"{network}_opt": opt}


def _average(state: TrainState, config: ConfigDict, batch: int) -> TrainState:
    """Take one step of generator's and encoder's moving averages: β = 0.5^(batch / half-life)."""
    half_life: Float[Array, ""] = jnp.asarray(config.ema_kimg * 1000.0)
    if config.ema_rampup is not None:
        seen = state.step * batch  # before this step, so that the first takes the parameters over
        half_life = jnp.maximum(jnp.minimum(half_life, seen * config.ema_rampup), 1e-8)
    keep = 0.5 ** (batch / half_life)
    g_ema = optax.incremental_update(state.g_params, state.g_ema, 1 - keep)
    inversion = state.inversion
    if inversion is not None:
        ema = optax.incremental_update(inversion.params, inversion.ema, 1 - keep)
        inversion = inversion.replace(ema=ema)
    return state.replace(step=state.step + 1, g_ema=g_ema, inversion=inversion)
