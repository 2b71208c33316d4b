"""LPIPS v0.1 on VGG16 (Zhang et al. 2018): how different two images look.

Features of unit length in each pixel, squared differences weighted by channel, the mean over
pixels, the sum over five layers. The weights are not negative, so this is a squared Euclidean
distance of scaled features, and those of a target are computed once.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from gancmri_jax.networks.vgg16 import STAGES, VGG16

# Features of a batch: one map a layer.
Maps = tuple[Float[Array, "n _ _ _"], ...]

_EPSILON = 1e-10


class LPIPS(nn.Module):
    """images [n h w c] in [−1, 1], of 3 channels or of 1 for grey, h and w from 16 on."""

    def setup(self) -> None:
        self.vgg16 = VGG16()
        self.heads = [
            self.param(f"head{stage}", nn.initializers.ones, (widths[-1],))
            for stage, widths in enumerate(STAGES, start=1)
        ]

    def features(self, images: Float[Array, "n h w c"]) -> Maps:
        """Return maps whose squared Euclidean distance is LPIPS."""
        return tuple(
            _unit_length(x) * jnp.sqrt(head / (x.shape[1] * x.shape[2]))[None, None, None]
            for x, head in zip(self.vgg16(images), self.heads, strict=True)
        )

    def __call__(self, a: Float[Array, "n h w c"], b: Float[Array, "n h w c"]) -> Float[Array, "n"]:
        """Return the distance of each image of `a` from the same of `b`."""
        return squared_distance(self.features(a), self.features(b))


def squared_distance(a: Maps, b: Maps) -> Float[Array, "n"]:
    """Return the squared Euclidean distance between the features of each pair of images."""
    by_layer = (jnp.sum(jnp.square(x - y), axis=(1, 2, 3)) for x, y in zip(a, b, strict=True))
    return functools.reduce(jnp.add, by_layer)


def _unit_length(x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    square = jnp.sum(jnp.square(x), axis=-1, keepdims=True)
    # Where all features are zero the root has no derivative, and none is needed.
    some = square > 0
    return x / (jnp.where(some, jnp.sqrt(jnp.where(some, square, 1)), 0) + _EPSILON)
