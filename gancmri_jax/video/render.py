"""Paths of w to frames, in batches of one shape: a frame is the same bits in any request."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from gancmri_jax.cine.preprocess import to_uint8
from gancmri_jax.model.model import Model

_FRAMES_AT_ONCE = 10


def render(model: Model, path: Float[Array, "t num_ws w_dim"]) -> Float[np.ndarray, "t h w"]:
    """Render a path with the model's constant noise: frames [t h w], nominally in [−1, 1]."""
    frames = []
    for first in range(0, len(path), _FRAMES_AT_ONCE):
        ws = path[first : first + _FRAMES_AT_ONCE]
        filled = jnp.concatenate([ws, jnp.repeat(ws[-1:], _FRAMES_AT_ONCE - len(ws), axis=0)])
        frames.append(np.asarray(model.synthesize(filled)[: len(ws), :, :, 0]))
    return np.concatenate(frames)


def render_uint8(model: Model, path: Float[Array, "t num_ws w_dim"]) -> UInt8[np.ndarray, "t h w"]:
    """Render a path, clipped and quantised as files hold it."""
    return to_uint8(render(model, path))
