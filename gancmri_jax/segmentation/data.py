"""Labelled frames of phantom hearts to train a segmenter on, at several resolutions."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from gancmri_jax.cine.phantom import draw_subject
from gancmri_jax.cine.phantom.render import render_frames

ACQUIRED = (64, 96, 128, 192, 256)  # sizes that frames are rendered at, a subject at one
FRAMES = 10  # of a beat


class Pool(NamedTuple):
    """Frames of many subjects, all enlarged to one size.

    Attributes:
        images: Intensities, each frame's largest 255 [n h w].
        labels: Masks at that size, whatever the frames were rendered at [n h w].
        pixel_mm: Spacing of each frame [n].
    """

    images: UInt8[Array, "n h w"]
    labels: UInt8[Array, "n h w"]
    pixel_mm: Float[Array, "n"]


def render_pool(
    seed: int,
    subjects: int,
    size: int = 256,
    frames: int = FRAMES,
    on_subject: Callable[[], object] = lambda: None,
) -> Pool:
    """Render subjects 0 … of a seed's population; a subject's frames have a size of its own."""
    images = np.zeros((subjects, frames, size, size), np.uint8)
    labels = np.zeros_like(images)
    pixel_mm = np.zeros((subjects, frames), np.float32)
    sizes = [acquired for acquired in ACQUIRED if acquired < size] + [size]
    for index in range(subjects):
        anatomy, noise = jax.random.split(jax.random.fold_in(jax.random.key(seed), index))
        subject = draw_subject(anatomy)
        pixels, masks = render_frames(noise, subject, size, frames)
        if (acquired := sizes[index % len(sizes)]) != size:
            pixels, _ = render_frames(noise, subject, acquired, frames)
        images[index] = _enlarged(pixels, size)
        labels[index] = masks
        pixel_mm[index] = float(subject.fov_mm) / size
        on_subject()
    flat = (subjects * frames, size, size)
    return Pool(
        jnp.asarray(images.reshape(flat)),
        jnp.asarray(labels.reshape(flat)),
        jnp.asarray(pixel_mm.reshape(-1)),
    )


@functools.partial(jax.jit, static_argnums=1)
def _enlarged(pixels: Array, size: int) -> UInt8[Array, "t size size"]:
    frames = jax.image.resize(pixels.astype(jnp.float32), (len(pixels), size, size), "linear")
    brightest = jnp.max(frames, axis=(1, 2), keepdims=True)
    return jnp.round(255 * frames / brightest).astype(jnp.uint8)
