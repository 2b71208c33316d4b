"""Distances between images that a projection lowers, each a feature map by name.

The distance of two images is the squared Euclidean distance of their features, so a target's are
computed once.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

Features = Callable[[Float[Array, "n h w c"]], Float[Array, "n d"]]

_COARSEST = 8


def multiscale_pixel(images: Float[Array, "n h w c"]) -> Float[Array, "n d"]:
    """Return pixels of a 2× average-pooled pyramid down to 8², each level of unit total weight.

    Their squared distance is the sum over levels of the mean squared difference of pixels.
    """
    n, _, _, c = images.shape
    levels = []
    while True:
        size = images.shape[1]
        levels.append(images.reshape(n, -1) / (size * size * c) ** 0.5)
        if size <= _COARSEST:
            return jnp.concatenate(levels, axis=1)
        images = images.reshape(n, size // 2, 2, size // 2, 2, c).mean(axis=(2, 4))


FEATURES: dict[str, Features] = {"multiscale_pixel": multiscale_pixel}
