"""Temporal super-resolution of a real video from its projected codes (GANcMRI, section 3.3.4)."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from gancmri_jax.cine.preprocess import to_model_range, to_uint8
from gancmri_jax.errors import InputError
from gancmri_jax.latents.superres import (
    clean_transitions,
    codes_at,
    dense_times,
    low_pass,
    transitions,
)
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


def super_resolve_residual(
    model: Model,
    pixels: UInt8[np.ndarray, "t h w"],
    ws: Float[np.ndarray, "t num_ws w_dim"],
    factor: int,
    *,
    closed: bool = False,
) -> UInt8[np.ndarray, "dense h w"]:
    """Return a video at `factor` times its frame rate that keeps what codes do not hold of it.

    Args:
        model: The generator that `ws` are codes of.
        pixels: The video's own frames, of one beat.
        ws: Their codes.
        factor: New frames for each step from a frame to the next.
        closed: The step from the last frame to the first is one too.

    Raises:
        InputError: The model's images are in colour.
    """
    return to_uint8(residual_frames(model, pixels, ws, factor, closed=closed))


def residual_frames(
    model: Model,
    pixels: UInt8[np.ndarray, "t h w"],
    ws: Float[np.ndarray, "t num_ws w_dim"],
    factor: int,
    *,
    closed: bool = False,
) -> Float[np.ndarray, "dense h w"]:
    """Return the same, not yet quantised, nominally in [−1, 1].

    A frame a part p of the way from i to i + 1 is a G(w_p) + (1 − p) r_i + p r_i+1, where the
    residual r = frame − a G(w) is what the generator misses of each. So codes add nothing but
    motion to a blend of the two frames, with `motion_weight` a, and the frames at the original
    times are the originals. Codes are low-passed first: what jitters in them would be added too.
    """
    model.insist_grey()
    codes = low_pass(jnp.asarray(ws))
    times = dense_times(len(ws), factor, closed)
    moved = model.render(codes_at(codes[0], transitions(codes, closed), times))[..., 0]
    frames = to_model_range(pixels)
    moved *= motion_weight(frames, moved[::factor])
    residual = frames - moved[::factor]
    position = np.arange(len(moved)) / factor
    before = position.astype(int)
    part = (position - before)[:, None, None]
    blended = (1 - part) * residual[before] + part * residual[(before + 1) % len(residual)]
    return (moved + blended).astype(np.float32)


def motion_weight(
    frames: Float[np.ndarray, "t h w"], rendered: Float[np.ndarray, "t h w"]
) -> float:
    """Return how far the generator's motion is to be believed, from 0 to 1.

    Each frame is taken for unknown: the weight of the generator's motion between its neighbours
    that brings their blend nearest to it, in the mean square over the video.
    """
    wanted, offered = (x[1:-1] - (x[:-2] + x[2:]) / 2 for x in (frames, rendered))
    energy = float(np.square(offered).sum())
    return float(np.clip((wanted * offered).sum() / energy, 0, 1)) if energy else 0.0
