"""Smooth random fields and Gaussian blur of one picture, for augmentation."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray


def smooth_field(key: PRNGKeyArray, size: int, cells: int) -> Float[Array, "{size} {size}"]:
    """Draw a smooth field of mean 0 and deviation about 1, `cells` humps wide."""
    coarse = jax.random.normal(key, [cells, cells])
    return 1.3 * jax.image.resize(coarse, (size, size), "cubic")


def bias_field(key: PRNGKeyArray, size: int) -> Float[Array, "{size} {size}"]:
    """Draw the logarithm of a coil's sensitivity: humps, and a slope from one side to the other."""
    keys = jax.random.split(key, 3)
    strength, slope = jax.random.uniform(keys[0], [2])
    humps = 0.45 * strength * smooth_field(keys[1], size, 3)
    angle = 2 * math.pi * jax.random.uniform(keys[2])
    at = (jnp.arange(size) - (size - 1) / 2) / size
    ramp = jnp.cos(angle) * at[:, None] + jnp.sin(angle) * at[None, :]
    return humps + 1.6 * slope * ramp


def blur(picture: Float[Array, "h w"], sigma: Float[Array, ""] | float) -> Float[Array, "h w"]:
    """Blur with a Gaussian of `sigma` pixels, at most 2."""
    reach = 4
    at = jnp.arange(-reach, reach + 1)
    taps = jnp.exp(-0.5 * (at / (sigma + 0.05)) ** 2)
    taps = taps / jnp.sum(taps)
    for _ in range(2):
        padded = jnp.pad(picture, ((reach, reach), (0, 0)), mode="edge")
        shifted = [padded[i : i + len(picture)] for i in range(2 * reach + 1)]
        picture = jnp.einsum("i,ihw->wh", taps, jnp.stack(shifted), precision="highest")
    return picture
