"""Bilinear resizing as TensorFlow 1 does it, which the Fréchet Inception distance rests on."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def resize_bilinear_tf1(
    images: Float[Array, "n h w c"], height: int, width: int
) -> Float[Array, "n {height} {width} c"]:
    """Resize with output pixel i at i · (input size / output size) of the input.

    No half-pixel centres and no antialiasing: pixel 0 falls on pixel 0, the last rows and columns
    repeat the edge, and shrinking skips pixels (Parmar et al. 2022 show what that does to FID).
    """
    for axis, size in ((1, height), (2, width)):
        position = np.arange(size) * (images.shape[axis] / size)
        low = np.floor(position).astype(int)
        high = np.minimum(low + 1, images.shape[axis] - 1)
        fraction = np.expand_dims(
            (position - low).astype(np.float32), [a for a in range(4) if a != axis]
        )
        first, second = jnp.take(images, low, axis), jnp.take(images, high, axis)
        images = first + (second - first) * fraction
    return images
