"""A beat as a smooth closed path: one code, and a Fourier series of low order about it.

Harmonic k is scaled by 1/k, so that a search that moves all coefficients alike moves the path
little where it would have to turn quickly.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def wave_basis(
    num_frames: int, num_harmonics: int
) -> Float[np.ndarray, "{num_frames} 2*{num_harmonics}"]:
    """Return cos(2πkt/T)/k and sin(2πkt/T)/k of each frame t of a beat of T frames.

    Harmonics that turn by more than a right angle between two frames, k > T/4, are zero: a path of
    few frames would else be as rough as any.
    """
    orders = np.arange(1, num_harmonics + 1)
    angle = 2 * np.pi * np.arange(num_frames)[:, None] * orders / num_frames
    scale = np.where(4 * orders <= num_frames, 1 / orders, 0)
    return np.concatenate([np.cos(angle) * scale, np.sin(angle) * scale], axis=1)


def closed_path(
    identity: Float[Array, "r w_dim"],
    waves: Float[Array, "k2 r w_dim"],
    basis: Float[Array, "t k2"],
) -> Float[Array, "t r w_dim"]:
    """Return the codes of a beat: its identity, the path's mean, and what the waves add to it."""
    return identity[None] + jnp.tensordot(basis, waves, axes=1, precision="highest")


def waves_of(
    path: Float[Array, "t r w_dim"], basis: Float[Array, "t k2"]
) -> Float[Array, "k2 r w_dim"]:
    """Return the waves that come closest to a path over one whole beat, about its mean."""
    energy = jnp.sum(jnp.square(basis), axis=0)  # harmonics are orthogonal over a beat
    weights = jnp.where(energy > 0, basis / jnp.where(energy > 0, energy, 1)[None], 0)
    return jnp.tensordot(weights.T, path, axes=1, precision="highest")
