"""An encoder trained together with its generator, so that every real frame has a code.

Adversarial training alone asks only that what is drawn looks real; whatever the generator has not
come upon, a projection cannot find in it. Here each real frame is encoded and rendered again, and
both networks learn from what differs, while the mapping learns to draw codes as frames have them:
a Wasserstein autoencoder (Tolstikhin et al. 2018, equation 4) with the energy distance of Székely
and Rizzo (2013) as its divergence. It takes far fewer images than the adversary does.
"""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray
from ml_collections import ConfigDict

from gancmri_jax.latents.truncation import broadcast_w
from gancmri_jax.networks.encoder import ResidualEncoder
from gancmri_jax.networks.generator import Generator, Noise
from gancmri_jax.training.losses import picture_distances

NUM_DRAWN = 128  # w's a step, beside the codes of a batch: they cost the mapping alone
CODES_WEIGHT = 0.01  # of the energy distance, as far as the encoder is concerned
MAPPING_RATE = 20.0  # times the others': its layers take a hundredth of any, too slow for this

_WARM_STEPS = 100


class Inversion(flax.struct.PyTreeNode):
    """What is trained of the encoder, and the optimiser that lowers both networks' error.

    Attributes:
        params: The encoder's parameters.
        ema: Their exponential moving average, which goes with the generator's.
        opt: Of the generator's parameters and the encoder's.
    """

    params: Any
    ema: Any
    opt: optax.OptState


def encoder_network(config: ConfigDict) -> ResidualEncoder:
    """Build the encoder of a configuration: as wide as the generator."""
    return ResidualEncoder(config.resolution, config.w_dim, config.channel_base, config.channel_max)


def inversion_optimizer(config: ConfigDict) -> optax.GradientTransformation:
    """Return Adam with momentum, since nothing plays against this loss."""
    rate = optax.linear_schedule(0.0, config.inversion_learning_rate, _WARM_STEPS)
    faster = optax.masked(optax.scale(MAPPING_RATE), _is_mapping)
    return optax.chain(optax.adam(rate, b1=0.9, b2=0.99), faster)


def _is_mapping(params: tuple[Any, Any]) -> tuple[Any, Any]:
    g_mask, e_mask = jax.tree.map(lambda _: False, params)
    return {**g_mask, "mapping": jax.tree.map(lambda _: True, g_mask["mapping"])}, e_mask


def init_inversion(config: ConfigDict, key: PRNGKeyArray, g_params: Any) -> Inversion:
    """Draw an encoder for the generator of these parameters."""
    image = jnp.zeros((1, config.resolution, config.resolution, 1))
    params = encoder_network(config).init(key, image)["params"]
    opt = inversion_optimizer(config).init((g_params, params))
    return Inversion(params, jax.tree.map(jnp.copy, params), opt)


def inversion_loss(
    generator: Generator,
    encoder: ResidualEncoder,
    params: tuple[Any, Any],
    reals: Float[Array, "n h w c"],
    z: Float[Array, "m z_dim"],
    noise: Noise,
) -> tuple[Float[Array, ""], tuple[dict[str, Float[Array, ""]], Float[Array, "w_dim"]]]:
    """Return what is lowered, its parts, and the mean of the w's that are drawn.

    The parts: how far frames are from what their codes render, and codes from what the mapping
    draws.

    Args:
        generator: The generator.
        encoder: Its encoder.
        params: The generator's and the encoder's.
        reals: Real frames, in [−1, 1].
        z: Standard normal; more of them tell the mapping more.
        noise: Noise maps for the frames.
    """
    g_params, e_params = params
    codes: Any = encoder.apply({"params": e_params}, reals)
    ws = broadcast_w(codes, generator.num_ws)
    again: Any = generator.apply({"params": g_params}, ws, noise, method="synthesize")
    drawn: Any = generator.apply({"params": g_params}, z, method="map")
    picture = jnp.mean(picture_distances(again, reals, jnp.abs))
    apart = energy_distance(drawn, codes)
    metrics = {"inversion/picture": picture, "inversion/codes": apart}
    return picture + CODES_WEIGHT * apart, (metrics, jnp.mean(drawn, axis=0))


def energy_distance(x: Float[Array, "n d"], y: Float[Array, "m d"]) -> Float[Array, ""]:
    """Return (2 E‖x − y‖ − E‖x − x′‖ − E‖y − y′‖) / 2 E‖x − y‖, without bias in its numerator.

    It is 0 where both are of one distribution, and 1 where two points stand apart.
    """

    def within(a: Float[Array, "k d"]) -> Float[Array, ""]:
        apart = _distances(a, a) * (1 - jnp.eye(len(a)))
        return jnp.sum(apart) / (len(a) * max(len(a) - 1, 1))

    across = jnp.mean(_distances(x, y))
    return (2 * across - within(x) - within(y)) / (2 * jax.lax.stop_gradient(across) + 1e-8)


def _distances(x: Float[Array, "n d"], y: Float[Array, "m d"]) -> Float[Array, "n m"]:
    squares = jnp.sum(jnp.square(x), 1)[:, None] + jnp.sum(jnp.square(y), 1)[None]
    squares -= 2 * x @ y.T
    return jnp.sqrt(jnp.maximum(squares, 1e-8))  # which is steep, but finite, at 0
