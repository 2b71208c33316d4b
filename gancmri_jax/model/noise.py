"""Noise maps that move with the beat: a smooth path of them that ends where it begins.

Noise held still is a texture that the heart moves under; noise drawn for each frame flickers. Here
a map's pixel is a random periodic function of time, a sum of sines and cosines of whole numbers of
periods a beat, so that frames next to one another resemble one another and the last leads to the
first.
"""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from gancmri_jax.networks.generator import Noise, draw_noise

VideoNoise = Literal["constant", "beat", "blood"]
# Harmonics of the beat: the deviation of a Gaussian over them. Blood swirls faster than a heart
# beats, with a correlation of 0.63 between neighbours of 50 frames; all that may shimmer, 0.93.
PACE = {"beat": 3.0, "blood": 8.0}
_MOST = 3.0  # deviations: where the harmonics end


def weights_in_time(num_frames: int, pace: float) -> Float[np.ndarray, "t k"]:
    """Return how much of each random map a frame holds; the squares of a frame's sum to 1."""
    most = max(min(round(_MOST * pace), (num_frames - 1) // 2), 0)
    harmonics = np.arange(1, most + 1)
    amount = np.exp(-((np.arange(most + 1) / pace) ** 2) / 4)  # its square is the spectrum
    amount /= np.sqrt(np.sum(amount**2))
    angle = 2 * np.pi * np.arange(num_frames)[:, None] * harmonics / num_frames
    still = np.full((num_frames, 1), amount[0])
    return np.concatenate([still, amount[1:] * np.cos(angle), amount[1:] * np.sin(angle)], axis=1)


@functools.partial(jax.jit, static_argnames=("num_frames", "pace"))
def moving_noise(
    key: PRNGKeyArray,
    still: Noise,
    num_frames: int,
    pace: float,
    where: Float[Array | np.ndarray, "t h w"] | None = None,
) -> Noise:
    """Return noise maps [t h w] of a beat, of unit variance in every frame.

    Args:
        key: Of what moves.
        still: The model's constant maps.
        num_frames: Frames of the beat.
        pace: The deviation of its spectrum, in harmonics of the beat.
        where: How much of each pixel's noise moves, from 0 to 1, at the size of the largest map;
            the rest is the constant maps'. None: all of it.
    """
    in_time = jnp.asarray(weights_in_time(num_frames, pace), jnp.float32)
    resolution, count = still[-1].shape[-1], in_time.shape[1]
    drawn = draw_noise(key, resolution, count)
    moving = tuple(jnp.tensordot(in_time, maps, axes=1, precision="highest") for maps in drawn)
    if where is None:
        return moving
    return tuple(
        jnp.sqrt(1 - share) * constant + jnp.sqrt(share) * maps
        for share, constant, maps in (
            (_averaged(jnp.asarray(where), maps.shape[-1]), constant, maps)
            for constant, maps in zip(still, moving, strict=True)
        )
    )


def _averaged(where: Float[Array, "t H W"], size: int) -> Float[Array, "t h w"]:
    frames, factor = len(where), where.shape[-1] // size
    parts = where.reshape(frames, size, factor, size, factor)
    return jnp.clip(parts.mean(axis=(2, 4)), 0, 1)


def key_of(seed: int) -> PRNGKeyArray:
    """Return the key of the noise that moves in a heart's video, another than the heart's own."""
    return jax.random.fold_in(jax.random.key(seed), 2**31 + 1)
