"""Noise maps that a search moves too, kept white (Karras et al. 2020, appendix D)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gancmri_jax.networks.generator import Noise


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
