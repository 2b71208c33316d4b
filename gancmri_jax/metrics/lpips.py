"""LPIPS, a learned distance between two pictures (Zhang et al. 2018)."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from gancmri_jax.model.backbones import load_lpips
from gancmri_jax.ops.precision import in_full_precision


def lpips(a: UInt8[np.ndarray, "n h w"], b: UInt8[np.ndarray, "n h w"]) -> Float[Array, "n"]:
    """Return the LPIPS of each pair (v0.1, VGG16), grey as RGB."""
    return _lpips()(a, b)


@functools.cache
def _lpips() -> Callable[..., Float[Array, "n"]]:
    network, params = load_lpips()

    @jax.jit
    @in_full_precision
    def distance(a, b):
        shown = [x[..., None].astype(jnp.float32) / 127.5 - 1 for x in (a, b)]
        return network.apply({"params": params}, *shown)

    return distance
