"""Everything that training changes, in one tree."""

import functools
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int
from ml_collections import ConfigDict

from gancmri_jax.networks.discriminator import Discriminator
from gancmri_jax.networks.generator import Generator
from gancmri_jax.training.inversion import Inversion, init_inversion, inversion_optimizer
from gancmri_jax.training.sharding import data_mesh, replicated

Params = Any


class TrainState(flax.struct.PyTreeNode):
    """The state of a run after `step` steps.

    Attributes:
        step: Steps taken; each takes in one batch of real images.
        g_params, d_params: Both networks' parameters.
        g_ema: Exponential moving average of `g_params`: the generator that users get.
        g_opt, d_opt: Both optimisers' states.
        w_avg: Moving average of w, the centre of truncation.
        pl_mean: Moving average of path lengths, their target.
        ada_p: Probability of each augmentation.
        ada_signs: Sum of mean signs of real logits since `ada_p` last changed.
        inversion: The encoder that is trained together with the generator, or None.
    """

    step: Int[Array, ""]
    g_params: Params
    d_params: Params
    g_ema: Params
    g_opt: optax.OptState
    d_opt: optax.OptState
    w_avg: Float[Array, "w_dim"]
    pl_mean: Float[Array, ""]
    ada_p: Float[Array, ""]
    ada_signs: Float[Array, ""]
    inversion: Inversion | None = None


def networks(config: ConfigDict) -> tuple[Generator, Discriminator]:
    """Build both networks as the configuration describes them."""
    dtype = jnp.dtype(config.dtype)
    shared = dict(
        resolution=config.resolution,
        channel_base=config.channel_base,
        channel_max=config.channel_max,
        dtype=dtype,
        clamp=config.clamp,
    )
    generator = Generator(
        z_dim=config.z_dim, w_dim=config.w_dim, mapping_layers=config.mapping_layers, **shared
    )
    return generator, Discriminator(mbstd_group=config.mbstd_group, **shared)


def optimizers(
    config: ConfigDict,
) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
    """Return Adam for generator and discriminator, corrected for lazy regularisation.

    StyleGAN2 appendix B: with a regulariser every k steps, c = k / (k + 1), the learning rate
    becomes c·lr and each decay β becomes β^c. The discriminator may have a rate of its own, the
    two time scales of Heusel et al. 2017.
    """

    def adam(interval: int, learning_rate: float) -> optax.GradientTransformation:
        c = interval / (interval + 1)
        return optax.adam(c * learning_rate, b1=0.0**c, b2=0.99**c, eps=1e-8)

    return (
        adam(config.g_reg_interval, config.learning_rate),
        adam(config.d_reg_interval, config.d_learning_rate or config.learning_rate),
    )


def init_state(config: ConfigDict, mesh: Mesh | None = None) -> TrainState:
    """Draw the initial parameters from the configuration's seed, whole on every device."""
    # An explicit sharding, as loaded checkpoints have: a resumed run finds its compiled programs.
    sharding = replicated(mesh or data_mesh())
    return jax.jit(functools.partial(_init_state, config), out_shardings=sharding)()


def _init_state(config: ConfigDict) -> TrainState:
    generator, discriminator = networks(config)
    g_optimizer, d_optimizer = optimizers(config)
    g_key, d_key = jax.random.split(jax.random.key(config.seed))
    size = (2, config.resolution, config.resolution, 1)
    g_params = generator.init(g_key, jnp.zeros((2, config.z_dim)))["params"]
    d_params = discriminator.init(d_key, jnp.zeros(size))["params"]
    inversion = None
    if config.inversion_learning_rate is not None:
        inversion = init_inversion(config, jax.random.fold_in(d_key, 1), generator, g_params)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        g_params=g_params,
        d_params=d_params,
        g_ema=jax.tree.map(jnp.copy, g_params),
        g_opt=g_optimizer.init(g_params),
        d_opt=d_optimizer.init(d_params),
        w_avg=jnp.zeros(config.w_dim),
        pl_mean=jnp.zeros(()),
        ada_p=jnp.zeros(()),
        ada_signs=jnp.zeros(()),
        inversion=inversion,
    )


def with_fresh_optimizers(
    state: TrainState, config: ConfigDict, mesh: Mesh | None = None
) -> TrainState:
    """Return the state with optimisers as at the start, for when frozen layers begin to learn.

    Adam corrects its moments by one count for all parameters. Moments that stood still are 0 at
    a high count, which would make the first steps ten times as long.
    """

    def fresh(state: TrainState) -> TrainState:
        g_optimizer, d_optimizer = optimizers(config)
        inversion = state.inversion
        if inversion is not None:
            opt = inversion_optimizer(config).init((state.g_params, inversion.params))
            inversion = inversion.replace(opt=opt)
        return state.replace(
            g_opt=g_optimizer.init(state.g_params),
            d_opt=d_optimizer.init(state.d_params),
            inversion=inversion,
        )

    return jax.jit(fresh, donate_argnums=0, out_shardings=replicated(mesh or data_mesh()))(state)
