"""Paths of w to the pixels that files hold."""

import numpy as np
from jaxtyping import Array, Float, UInt8

from gancmri_jax.cine.preprocess import to_uint8
from gancmri_jax.model.model import Model


def render_uint8(
    model: Model, path: Float[Array | np.ndarray, "t num_ws w_dim"]
) -> UInt8[np.ndarray, "t h w"]:
    """Render a path, clipped and quantised as files hold it.

    Raises:
        InputError: The model's images are in colour.
    """
    model.insist_grey()
    return to_uint8(model.render(path)[..., 0])
