"""Paths of w to the pixels that files hold."""

import numpy as np
from jaxtyping import Array, Float, UInt8

from gancmri_jax.cine.preprocess import to_uint8
from gancmri_jax.model.model import Model


def render_uint8(model: Model, path: Float[Array, "t num_ws w_dim"]) -> UInt8[np.ndarray, "t h w"]:
    """Render a path of a grey model, clipped and quantised as files hold it."""
    return to_uint8(model.render(path)[..., 0])
