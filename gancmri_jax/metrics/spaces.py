"""Spaces in which frames are near or far from one another: LPIPS, and a segmenter's features."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from gancmri_jax.metrics.backbones import Backbone, extract
from gancmri_jax.metrics.memorisation import Frames, Space
from gancmri_jax.model.backbones import load_lpips
from gancmri_jax.model.segmenter import Segmenter

_SIDE = 64  # LPIPS has a million features at 128² already


def lpips_space() -> Space:
    """Return LPIPS as a space, of frames averaged down to 64² where they are larger."""
    network, params = load_lpips()

    @jax.jit
    def features(frames: UInt8[Array, "n h w"]) -> Float[Array, "n d"]:
        n, height, width = frames.shape
        shown = frames.astype(jnp.float32) / 127.5 - 1
        shown = jax.image.resize(shown, (n, min(height, _SIDE), min(width, _SIDE)), "linear")
        variables = {"params": params}
        maps: Any = network.apply(variables, shown[..., None], method="features")
        return jnp.concatenate([m.reshape(n, -1) for m in maps], axis=1)

    return _space("lpips", features)


def segmenter_space(segmenter: Segmenter) -> Space:
    """Return a segmenter's deepest activations as a space, averaged over 4×4 places."""

    @jax.jit
    def features(frames: UInt8[Array, "n h w"]) -> Float[Array, "n d"]:
        shown = frames.astype(jnp.float32) / 255
        shown = jax.image.resize(shown, (len(shown), 256, 256), "linear", antialias=False)
        if segmenter.x_first:
            shown = shown.swapaxes(1, 2)
        levels: Any = segmenter.network.apply(
            segmenter.variables, shown[..., None], method="levels"
        )
        n, side, _, c = levels[-1].shape
        places = levels[-1].reshape(n, 4, side // 4, 4, side // 4, c).mean(axis=(2, 4))
        return places.reshape(n, -1)

    return _space("segmenter", features)


def _space(name: str, features: Callable) -> Space:
    backbone = Backbone(name, "", "", 16, features)

    def space(frames: Frames) -> Float[np.ndarray, "n d"]:
        return extract(backbone, frames)

    return space
