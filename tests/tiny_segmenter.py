"""Segmenters for tests: a random one, and one that goes by brightness alone."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.networks.cardiac_fcn import CLASSES, MULTIPLE, CardiacFCN


@functools.cache
def tiny_segmenter(seed: int = 0) -> Segmenter:
    """Return a random segmenter of two channels everywhere."""
    network = CardiacFCN(filters=(2, 2, 2, 2, 2), level_width=2, head_width=2)
    image = jnp.zeros((1, MULTIPLE, MULTIPLE, 1))
    variables = jax.jit(network.init)(jax.random.key(seed), image)
    return Segmenter(network, variables, 4.0, card={"note": "for tests"})


class Brightness:
    """In place of a network: the brightest is LV, what is between the rest and it myocardium."""

    def apply(self, variables: Any, images: jax.Array) -> jax.Array:
        """Return logits that cross at 0.75 and 0.25."""
        x = images[..., 0]
        assert x.shape[1] % MULTIPLE == x.shape[2] % MULTIPLE == 0
        classes = [20 * (0.25 - x), 20 * (x - 0.75), jnp.zeros_like(x)]
        classes += [jnp.full_like(x, -20.0)] * (len(CLASSES) - 3)
        return jnp.stack(classes, axis=-1)


def bright_segmenter(pixel_mm: float = 1.0, x_first: bool = False) -> Segmenter:
    """Return the segmenter that finds what is bright."""
    return Segmenter(Brightness(), {}, pixel_mm, x_first)  # type: ignore[arg-type]
