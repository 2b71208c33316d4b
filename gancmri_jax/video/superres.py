"""Temporal super-resolution of a real video from its projected codes (GANcMRI, section 3.3.4)."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from gancmri_jax.errors import InputError
from gancmri_jax.latents.superres import clean_transitions, codes_at, dense_times, transitions
from gancmri_jax.model.model import Model
from gancmri_jax.video.render import render_uint8


def super_resolve(
    model: Model,
    pixels: UInt8[np.ndarray, "t h w"],
    ws: Float[np.ndarray, "t num_ws w_dim"],
    factor: int,
    *,
    closed: bool = False,
    tpca: bool = False,
    all_generated: bool = False,
) -> UInt8[np.ndarray, "dense h w"]:
    """Return a video at `factor` times its frame rate.

    Args:
        model: The generator that `ws` are codes of.
        pixels: The video's own frames.
        ws: Their codes.
        factor: New frames for each step from a frame to the next.
        closed: The step from the last frame to the first is one too.
        tpca: Take the paper's t′, cleaned by tPCA, for the steps t.
        all_generated: Render the frames at the original times too, instead of keeping them.

    Raises:
        InputError: Too few frames for tPCA.
    """
    codes = jnp.asarray(ws)
    steps = transitions(codes, closed)
    if tpca:
        try:
            steps = clean_transitions(steps, len(ws))
        except ValueError as error:
            raise InputError(f"tPCA of a video of {len(ws)} frames: {error}") from error
    dense = render_uint8(model, codes_at(codes[0], steps, dense_times(len(ws), factor, closed)))
    if not all_generated:
        dense[::factor] = pixels
    return dense
