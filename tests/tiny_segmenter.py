"""Segmenters for tests: a random one, and one that goes by brightness alone."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.networks.cardiac_fcn import CLASSES, MULTIPLE, CardiacFCN


@functools.cache
def tiny_segmenter(seed: int = 0) -> Segmenter:
    """Return a random segmenter of two channels everywhere."""
    network = CardiacFCN(filters=(2, 2, 2, 2, 2), level_width=2, head_width=2)
    return Segmenter(network, random_variables(network, seed), 4.0, card={"note": "for tests"})


def random_variables(network: CardiacFCN, seed: int) -> Any:
    """Draw what `init` would draw, with nothing to compile."""
    image = jnp.zeros((1, MULTIPLE, MULTIPLE, 1))
    shapes = jax.eval_shape(network.init, jax.random.key(0), image)
    rng = np.random.default_rng(seed)

    def draw(path: Any, leaf: Any) -> jax.Array:
        if path[-1].key == "kernel":
            deviation = (2 / math.prod(leaf.shape[:-1])) ** 0.5
            return jnp.asarray(rng.normal(0, deviation, leaf.shape), jnp.float32)
        return jnp.full(leaf.shape, 1.0 if path[-1].key in ("scale", "var") else 0.0)

    return jax.tree_util.tree_map_with_path(draw, shapes)


class Brightness(CardiacFCN):
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
    return Segmenter(Brightness(), {}, pixel_mm, x_first)
