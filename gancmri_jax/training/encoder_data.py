"""What an encoder learns from: generated images, whose w is known, real frames, and their spoiling.

A generator seldom renders all that real frames show, so an encoder that has seen generated images
alone is lost on them; frames without codes teach it what it is asked for (Richardson et al. 2021).
"""

import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, UInt8

from gancmri_jax.cine.records import Records
from gancmri_jax.errors import InputError
from gancmri_jax.model.model import Model
from gancmri_jax.ops.fields import bias_field, blur

LEAST_PSI, MOST_PSI = 0.5, 1.3  # between which an image's truncation lies: real frames go far
BLUR_MOST = 1.2  # pixels
NOISE_MOST = 0.2  # of the range from black to grey
GAIN_SD, OFFSET_SD, BIAS = 0.1, 0.05, 0.25

_MOST_FRAMES = 4000


class Known(NamedTuple):
    """What a run needs of its model and its data.

    Attributes:
        params: The generator's.
        w_avg, w_sd: Mean and deviation of each coordinate of w.
        frames: Real frames, or none.
    """

    params: Any
    w_avg: Float[Array, "w_dim"]
    w_sd: Float[Array, "w_dim"]
    frames: UInt8[Array, "n h w"]


def know(model: Model, frames: UInt8[np.ndarray, "n h w"]) -> Known:
    """Measure how far each coordinate of w goes from its mean."""
    w = model.map_w(jax.random.normal(jax.random.key(0), (10_000, model.z_dim)))
    return Known(model.params, model.w_avg, jnp.std(w, axis=0), jnp.asarray(frames))


def read_frames(
    directory: pathlib.Path, split: str, size: int, most: int = _MOST_FRAMES
) -> UInt8[np.ndarray, "n size size"]:
    """Read frames of a split of records, about `most`, at equal parts of every beat.

    Raises:
        InputError: There are no records, or they have another size.
    """
    records = Records(directory, split)
    each = max(most // len(records), 1)
    frames = []
    for cine in records[:most]:
        if cine.pixels.shape[1:] != (size, size):
            raise InputError(
                f"{directory}: holds frames of {cine.pixels.shape[1:]}, the model makes "
                f"{(size, size)}; prepare the cines with --size {size}"
            )
        at = np.unique(np.arange(each) * len(cine.pixels) // each)
        frames.append(cine.pixels[at])
    return np.concatenate(frames)


def draw_w(key: PRNGKeyArray, generator: Any, known: Known, num: int) -> Float[Array, "n w_dim"]:
    """Draw w's from z, each truncated by a psi of its own."""
    by_z, by_psi = jax.random.split(key)
    z = jax.random.normal(by_z, (num, generator.z_dim))
    w = generator.apply({"params": known.params}, z, method="map")
    psi = jax.random.uniform(by_psi, (num, 1), minval=LEAST_PSI, maxval=MOST_PSI)
    return known.w_avg[None] + psi * (w - known.w_avg[None])


def spoil(key: PRNGKeyArray, image: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
    """Change an image as scanners do, more or less, where no anatomy moves; clip it to [−1, 1].

    Brightness, contrast, a coil's bias field, blur, and noise: so that real frames, which have all
    of them, are not strange to an encoder that learns from generated ones.
    """
    keys = jax.random.split(key, 5)
    gain, offset = jax.random.normal(keys[0], [2])
    image = (image + 1) * jnp.exp(BIAS * bias_field(keys[1], len(image)))[..., None] - 1
    image = image * jnp.exp(GAIN_SD * gain) + OFFSET_SD * offset
    sigma = BLUR_MOST * jax.random.uniform(keys[2]) ** 2
    image = jax.vmap(lambda channel: blur(channel, sigma), -1, -1)(image)
    sd = NOISE_MOST * jax.random.uniform(keys[3]) ** 3
    return jnp.clip(image + sd * jax.random.normal(keys[4], image.shape), -1, 1)


spoil_each = jax.jit(jax.vmap(spoil))
