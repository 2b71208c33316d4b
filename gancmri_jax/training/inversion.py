"""An encoder trained together with its generator, so that every real frame has a w.

Adversarial training alone asks only that what is drawn looks real; what the generator has not come
upon, a projection cannot find in it. Here each real frame is encoded and rendered again, and both
networks learn from what differs; and the mapping learns to draw w's as the encoder gives them: an
autoencoder whose prior is learned from its codes (Li, Swersky and Zemel 2015, section 3.2), by the
energy distance of Székely and Rizzo (2013). It takes far fewer images than an adversary does.
"""

from collections.abc import Sequence
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
from gancmri_jax.training.perceptual import Look

QUEUE_LENGTH = 512  # w's of the latest frames
NUM_DRAWN = 256  # w's a step that are compared with them: they cost the mapping alone
MAPPING_LR_MULTIPLIER = 50.0  # the mapping's own is 0.01, which is too slow for this

_RAMP_STEPS = 100


class Inversion(flax.struct.PyTreeNode):
    """What training keeps of the encoder.

    Attributes:
        params: The encoder's parameters.
        ema: Their exponential moving average, which goes with the generator's.
        opt: The optimiser's state, of the generator's parameters and the encoder's.
        w_queue: The latest frames' w's, the latest first; at first what the mapping draws.
    """

    params: Any
    ema: Any
    opt: optax.OptState
    w_queue: Float[Array, "queue w_dim"]


def encoder_network(config: ConfigDict) -> ResidualEncoder:
    """Build the encoder of a configuration, its layers as wide as the generator's."""
    return ResidualEncoder(
        resolution=config.resolution,
        w_dim=config.w_dim,
        channel_base=config.channel_base,
        channel_max=config.channel_max,
        dtype=jnp.dtype(config.dtype),
        clamp=config.clamp,
    )


def inversion_optimizer(config: ConfigDict) -> optax.GradientTransformation:
    """Return Adam with momentum, since nothing plays against this loss; the mapping goes faster."""
    rate = optax.linear_schedule(0.0, config.inversion_learning_rate, _RAMP_STEPS)
    faster = optax.masked(optax.scale(MAPPING_LR_MULTIPLIER), _is_mapping)
    return optax.chain(optax.adam(rate, b1=0.9, b2=0.99), faster)


def _is_mapping(params: tuple[Any, Any]) -> tuple[Any, Any]:
    g_mask, e_mask = jax.tree.map(lambda _: False, params)
    return {**g_mask, "mapping": jax.tree.map(lambda _: True, g_mask["mapping"])}, e_mask


def init_inversion(
    config: ConfigDict, key: PRNGKeyArray, generator: Generator, g_params: Any
) -> Inversion:
    """Draw an encoder for a generator."""
    image = jnp.zeros((1, config.resolution, config.resolution, 1))
    params = encoder_network(config).init(key, image)["params"]
    return Inversion(
        params=params,
        ema=jax.tree.map(jnp.copy, params),
        opt=inversion_optimizer(config).init((g_params, params)),
        w_queue=draw_queue(key, generator, g_params),
    )


def draw_queue(
    key: PRNGKeyArray, generator: Generator, g_params: Any
) -> Float[Array, "queue w_dim"]:
    """Draw what the queue holds at first, so that the mapping stays as it is till it is filled."""
    z = jax.random.normal(key, (QUEUE_LENGTH, generator.z_dim))
    w: Any = generator.apply({"params": g_params}, z, method="map")
    return w


def inversion_loss(
    generator: Generator,
    encoder: ResidualEncoder,
    params: tuple[Any, Any],
    reals: Float[Array, "n h w c"],
    w_queue: Float[Array, "queue w_dim"],
    z: Float[Array, "m z_dim"],
    noise: Noise,
    train_noise: bool = True,
    looks: Sequence[Look] = (),
) -> tuple[Float[Array, ""], tuple[dict[str, Float[Array, ""]], Float[Array, "w_dim"]]]:
    """Return what is lowered, its two terms, and the mean of the w's that are drawn.

    Frames' distances to what their w's render teach synthesis and encoder; how unlike the drawn
    w's are to the queue's teaches the mapping alone.

    Args:
        generator: The generator.
        encoder: Its encoder.
        params: The generator's and the encoder's.
        reals: Real frames, in [−1, 1].
        w_queue: The latest frames' w's, these frames' among them.
        z: Standard normal; more of them tell the mapping more.
        noise: Noise maps for the frames.
        train_noise: Whether reconstruction teaches noise strengths too. Fresh noise never is a
            frame's own, so it teaches them to be 0.
        looks: Further distances between frames and what their w's render, beside pixels'.
    """
    g_params, e_params = params
    w: Any = encoder.apply({"params": e_params}, reals)
    ws = broadcast_w(w, generator.num_ws)
    own = g_params if train_noise else without_noise_gradient(g_params)
    again: Any = generator.apply({"params": own}, ws, noise, method="synthesize")
    drawn: Any = generator.apply({"params": g_params}, z, method="map")
    reconstruction = jnp.mean(picture_distances(again, reals, jnp.abs))
    unlike = energy_coefficient(drawn, w_queue)
    terms = {"inversion/reconstruction": reconstruction, "inversion/w_unlike": unlike}
    lowered = reconstruction + unlike
    for look in looks:
        distance = jnp.mean(look.distances(again, reals))
        terms[f"inversion/{look.name}"] = distance
        lowered += look.weight * distance
    return lowered, (terms, jnp.mean(drawn, axis=0))


def without_noise_gradient(g_params: Any) -> Any:
    """Return a generator's parameters, of which noise strengths have no gradient."""

    def held(path: tuple[Any, ...], leaf: Array) -> Array:
        return jax.lax.stop_gradient(leaf) if path[-1].key == "noise_strength" else leaf

    return jax.tree_util.tree_map_with_path(held, g_params)


def energy_coefficient(x: Float[Array, "n d"], y: Float[Array, "m d"]) -> Float[Array, ""]:
    """Return 1 − (E‖x − x′‖ + E‖y − y′‖) / 2 E‖x − y‖, the energy distance in units of its most.

    1 where two points stand apart, and 0 in the mean where both are samples of one distribution:
    the expectations within a sample leave out an element with itself, so it may fall below. The
    denominator has no gradient, which so is the energy distance's own.
    """

    def within(a: Float[Array, "k d"]) -> Float[Array, ""]:
        apart = _distances(a, a) * (1 - jnp.eye(len(a)))
        return jnp.sum(apart) / (len(a) * max(len(a) - 1, 1))

    across = jnp.mean(_distances(x, y))
    return (2 * across - within(x) - within(y)) / (2 * jax.lax.stop_gradient(across) + 1e-8)


def _distances(x: Float[Array, "n d"], y: Float[Array, "m d"]) -> Float[Array, "n m"]:
    squares = jnp.sum(jnp.square(x), 1)[:, None] + jnp.sum(jnp.square(y), 1)[None]
    squares -= 2 * jnp.matmul(x, y.T, precision="highest")
    return jnp.sqrt(jnp.maximum(squares, 1e-8))  # which is steep, but finite, at 0
