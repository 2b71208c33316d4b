"""Labelled beats of phantom hearts to train a segmenter on, drawn while it trains."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from gancmri_jax.cine.phantom.pool import filled, put
from gancmri_jax.cine.phantom.population import POPULATIONS, Population, draw
from gancmri_jax.cine.phantom.render import render_frames

ACQUIRED = (64, 96, 128, 192, 256)  # sizes that frames are rendered at, a subject at one
FRAMES = 12  # of a beat


class Pool(NamedTuple):
    """Beats of many subjects, all enlarged to one size.

    Attributes:
        images: Intensities, each beat's largest 255 [n t h w].
        labels: Masks at that size, whatever the frames were rendered at [n t h w].
        hearts: The box around each heart over its beat, in pixels: row and column of its centre,
            and its longer side [n 3].
    """

    images: UInt8[Array, "n t h w"]
    labels: UInt8[Array, "n t h w"]
    hearts: Float[Array, "n 3"]


def render_pool(
    seed: int,
    first: int,
    subjects: int,
    size: int = 256,
    frames: int = FRAMES,
    on_subject: Callable[[], object] = lambda: None,
) -> Pool:
    """Render subjects `first` … of a seed, each in the slot that `replace` puts it in."""
    pool = Pool(
        jnp.zeros((subjects, frames, size, size), jnp.uint8),
        jnp.zeros((subjects, frames, size, size), jnp.uint8),
        jnp.zeros((subjects, 3)),
    )
    return filled(
        pool, first, subjects, lambda index: _rendered(seed, index, size, frames), on_subject
    )


def replace(pool: Pool, seed: int, index: int) -> Pool:
    """Render subject `index` of a seed, in place of the one that came so many subjects before."""
    subjects, frames, size, _ = pool.images.shape
    return put(pool, _rendered(seed, index, size, frames), index % subjects)


def _rendered(seed: int, index: int, size: int, frames: int) -> Pool:
    return Pool(*(jnp.asarray(part) for part in render_subject(seed, index, size, frames)))


def population_of(index: int) -> Population:
    """Return the population of a subject: each in its turn, so that all are learnt alike."""
    return POPULATIONS[index % len(POPULATIONS)]


def render_subject(
    seed: int, index: int, size: int, frames: int
) -> tuple[
    UInt8[np.ndarray, "t h w"],
    UInt8[np.ndarray, "t h w"],
    Float[np.ndarray, "3"],
]:
    """Render one subject at a size of its own, enlarged; return frames, masks and its box."""
    anatomy, noise = jax.random.split(jax.random.fold_in(jax.random.key(seed), index))
    subject = draw(anatomy, population_of(index))
    pixels, masks = render_frames(noise, subject, size, frames)
    sizes = [acquired for acquired in ACQUIRED if acquired < size] + [size]
    # Populations and sizes go round at different speeds, so that every pair of them comes up.
    if (acquired := sizes[index // len(POPULATIONS) % len(sizes)]) != size:
        pixels, _ = render_frames(noise, subject, acquired, frames)
    return np.asarray(_enlarged(pixels, size)), np.asarray(masks), heart_box(np.asarray(masks))


def heart_box(masks: UInt8[np.ndarray, "t h w"]) -> Float[np.ndarray, "3"]:
    """Return the middle (row, column) and the longer side of the box around all that is labelled.

    Coordinates are of pixels' centres; a beat without a heart has the whole frame as its box.
    """
    there = np.any(masks > 0, axis=0)
    rows, columns = (np.flatnonzero(np.any(there, axis=axis)) for axis in (1, 0))
    if not len(rows):
        height, width = there.shape
        return np.array([(height - 1) / 2, (width - 1) / 2, max(height, width)], np.float32)
    sides = (rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1)
    middle = ((rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2)
    return np.array([*middle, max(sides)], np.float32)


@functools.partial(jax.jit, static_argnums=1)
def _enlarged(pixels: Array, size: int) -> UInt8[Array, "t size size"]:
    frames = jax.image.resize(pixels.astype(jnp.float32), (len(pixels), size, size), "linear")
    # Not the brightest pixel, which may be a vessel's or a wire's edge.
    brightest = jnp.percentile(frames[:, ::3, ::3], 99.8)
    return jnp.round(255 * jnp.clip(frames / brightest, 0, 1)).astype(jnp.uint8)
