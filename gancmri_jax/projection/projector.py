"""The StyleGAN2 projector (Karras et al. 2020, appendix D): from an image to its w and noise.

Every image has its own optimiser state and its own key, and losses are summed over the batch, so
what is found for an image does not depend on which others are projected beside it.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from gancmri_jax.model.model import Model
from gancmri_jax.networks.generator import Noise, draw_noise
from gancmri_jax.projection.distance import Distance, image_features


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a projection depends on, besides the target and its key.

    Attributes:
        num_steps: Steps of Adam(0.9, 0.999).
        space: `w`, one w for all rows, as in the paper, or `w+`, a w for each row.
        distance: Name of the image distance, one of `distance.DISTANCES`.
        learning_rate: Its peak: it ramps up over the first 5 % and down over the last 25 %.
        w_noise: Amplitude of the noise added to w, in units of w's deviation, at the start.
        w_noise_until: Share of the steps after which no noise is added to w.
        noise_weight: Weight of the noise maps' autocorrelation.
    """

    num_steps: int = 1000
    space: Literal["w", "w+"] = "w"
    distance: Distance = "multiscale_pixel"
    learning_rate: float = 0.1
    w_noise: float = 0.05
    w_noise_until: float = 0.75
    noise_weight: float = 1e5


class Projection(NamedTuple):
    """What was found for n images.

    Attributes:
        ws: Latent codes [n num_ws w_dim]; all rows alike where W is searched.
        noise: Noise maps [n h w] each; with them, `ws` renders what the optimiser saw.
        distances: Distance of that rendering to the target [n].
    """

    ws: Float[Array, "n num_ws w_dim"]
    noise: Noise
    distances: Float[Array, "n"]


class WStatistics(NamedTuple):
    """Mean of w [w_dim], and the root mean square of ‖w − mean‖, a scalar."""

    mean: Float[Array, "w_dim"]
    deviation: Float[Array, ""]


def w_statistics(model: Model, num_samples: int = 10_000, seed: int = 123) -> WStatistics:
    """Measure w's distribution from samples of z."""
    z = jax.random.normal(jax.random.key(seed), (num_samples, model.z_dim))
    w = model.map_w(z)
    mean = jnp.mean(w, axis=0)
    return WStatistics(mean, jnp.sqrt(jnp.mean(jnp.sum(jnp.square(w - mean[None]), axis=1))))


def project(
    model: Model,
    targets: Float[Array, "n h w c"],
    keys: PRNGKeyArray,
    settings: Settings,
    statistics: WStatistics,
    on_steps: Callable[[int], object] = lambda _: None,
) -> Projection:
    """Find the w of each target.

    Args:
        model: The generator.
        targets: Images in [−1, 1].
        keys: One key an image [n].
        settings: How to search.
        statistics: Of the model's w: `w_statistics(model)`.
        on_steps: Told the number of steps done since it was last told.

    Raises:
        InputError: The model lacks what the distance needs.
    """
    features = image_features(settings.distance, model)
    rows = {"w": 1, "w+": model.num_ws}[settings.space]
    carry = _start(keys, model.resolution, rows, statistics)
    done = 0
    while done < settings.num_steps:
        chunk = min(50, settings.num_steps - done)
        carry = _optimize(
            model.generator,
            settings,
            chunk,
            model.params,
            features,
            targets,
            keys,
            statistics,
            carry,
            done,
        )
        jax.block_until_ready(carry)
        done += chunk
        on_steps(chunk)
    variables, _ = carry
    distances = _distances(model.generator, model.params, features, targets, variables)
    return Projection(
        _all_rows(variables["w"], model.num_ws),
        variables["noise"],
        jax.block_until_ready(distances),
    )


def learning_rate(step: Array | int, settings: Settings) -> Array:
    """Return the learning rate of a step: linear up over 5 %, cosine down over the last 25 %."""
    t = step / settings.num_steps
    down = jnp.minimum(1.0, (1 - t) / 0.25)
    down = 0.5 - 0.5 * jnp.cos(jnp.pi * down)
    return settings.learning_rate * down * jnp.minimum(1.0, t / 0.05)


def autocorrelation(noise: Noise) -> Float[Array, "n"]:
    """Return how far noise maps are from white: equation of appendix D, over all maps and scales.

    Squared mean product of each map with itself shifted by one along either axis, down a 2×
    average-pooled pyramid to 8².
    """
    total = jnp.zeros(len(noise[0]))
    for level in noise:
        while True:
            for axis in (1, 2):
                product = jnp.mean(level * jnp.roll(level, 1, axis), axis=(1, 2))
                total += jnp.square(product)
            n, size, _ = level.shape
            if size <= 8:
                break
            level = level.reshape(n, size // 2, 2, size // 2, 2).mean(axis=(2, 4))
    return total


def normalize_noise(noise: Noise) -> Noise:
    """Return each map with mean 0 and standard deviation 1."""
    centred = [level - jnp.mean(level, axis=(1, 2), keepdims=True) for level in noise]
    return tuple(
        level * jax.lax.rsqrt(jnp.mean(jnp.square(level), axis=(1, 2), keepdims=True))
        for level in centred
    )


def _adam() -> optax.GradientTransformation:
    return optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8)


@functools.partial(jax.jit, static_argnums=(1, 2))
def _start(keys, resolution, rows, statistics):
    noise = jax.vmap(lambda key: draw_noise(jax.random.fold_in(key, 0), resolution))(keys)
    variables = {
        "w": jnp.tile(statistics.mean[None, None], (len(keys), rows, 1)),  # [n 1|num_ws w_dim]
        "noise": tuple(level[:, 0] for level in noise),
    }
    return variables, _adam().init(variables)


def _all_rows(w, num_ws):
    return jnp.broadcast_to(w, (len(w), num_ws, w.shape[-1]))


def _render(generator, params, variables):
    ws = _all_rows(variables["w"], generator.num_ws)
    return generator.apply({"params": params}, ws, variables["noise"], method="synthesize")


@functools.partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=8)
def _optimize(
    generator,
    settings,
    num_steps,
    params,
    features,
    targets,
    keys,
    statistics,
    carry: tuple[Any, Any],
    first,
):
    """Take `num_steps` steps from step `first` on, as one program."""
    target_features = features(targets)
    amplitude = statistics.deviation * settings.w_noise

    def loss(variables, w_noise):
        noisy = {**variables, "w": variables["w"] + w_noise}
        found = features(_render(generator, params, noisy))
        distance = jnp.sum(jnp.square(found - target_features))
        return distance + settings.noise_weight * jnp.sum(autocorrelation(variables["noise"]))

    def step(carry, index):
        variables, adam = carry
        ramp = jnp.maximum(0.0, 1 - index / settings.num_steps / settings.w_noise_until)
        shape = variables["w"].shape[1:]
        draws = jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, index + 1), shape))(
            keys
        )
        gradients = jax.grad(loss)(variables, draws * (amplitude * ramp**2))
        updates, adam = _adam().update(gradients, adam)
        rate = learning_rate(index, settings)
        variables = jax.tree.map(lambda v, u: v - rate * u, variables, updates)
        return ({**variables, "noise": normalize_noise(variables["noise"])}, adam), None

    carry, _ = jax.lax.scan(step, carry, first + jnp.arange(num_steps))
    return carry


@functools.partial(jax.jit, static_argnums=0)
def _distances(generator, params, features, targets, variables):
    difference = features(_render(generator, params, variables)) - features(targets)
    return jnp.sum(jnp.square(difference), axis=1)
