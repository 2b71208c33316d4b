"""Temporal super-resolution of a real video from its projected codes (GANcMRI, section 3.3.4)."""

import dataclasses
from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from gancmri_jax.cine.cine import Cine
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

Method = Literal["codes", "residual"]


class SuperResolved(NamedTuple):
    """A cine at a higher frame rate, and which of its frames the model generated."""

    cine: Cine
    generated: Bool[np.ndarray, "dense"]


def super_resolve(
    model: Model,
    cine: Cine,
    ws: Float[np.ndarray, "t num_ws w_dim"],
    factor: int,
    *,
    method: Method = "codes",
    closed: bool = False,
    tpca: bool = False,
    all_generated: bool = False,
) -> SuperResolved:
    """Return a cine at `factor` times its frame rate; its ED and ES frames stay the same moments.

    Args:
        model: The generator that `ws` are codes of.
        cine: Frames in uint8 at the model's resolution, of one beat.
        ws: Their codes.
        factor: New frames for each step from a frame to the next.
        method: `codes` renders the codes between frames; `residual` adds their motion to a blend
            of the frames (`residual_frames`).
        closed: The step from the last frame to the first is one too.
        tpca: Replace the steps t by the paper's t′, cleaned by tPCA.
        all_generated: Render the frames at the original times too, instead of keeping them.

    Raises:
        InputError: Too few frames for tPCA, the model's images are in colour, or `residual` is
            combined with `tpca` or `all_generated`.
    """
    if method == "residual":
        if tpca or all_generated:
            other = "tPCA" if tpca else "rendering all frames"
            raise InputError(f"the residual method does not go with {other}; choose one of them")
        pixels = to_uint8(residual_frames(model, cine.pixels, ws, factor, closed=closed))
    else:
        pixels = render_uint8(model, dense_codes(ws, factor, closed=closed, tpca=tpca))
        if not all_generated:
            pixels[::factor] = cine.pixels
    generated = np.ones(len(pixels), bool)
    generated[::factor] = all_generated
    dense = dataclasses.replace(
        cine,
        pixels=pixels,
        frame_ms=cine.shown_frame_ms / factor,
        ed_frame=cine.ed_frame * factor,
        es_frame=None if cine.es_frame is None else cine.es_frame * factor,
    )
    return SuperResolved(dense, generated)


def dense_codes(
    ws: Float[Array | np.ndarray, "t num_ws w_dim"],
    factor: int,
    *,
    closed: bool = False,
    tpca: bool = False,
) -> Float[Array, "dense num_ws w_dim"]:
    """Return the codes of a video at `factor` times its frame rate, read along its steps.

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
    return codes_at(codes[0], steps, dense_times(len(ws), factor, closed))


def residual_frames(
    model: Model,
    pixels: UInt8[np.ndarray, "t h w"],
    ws: Float[np.ndarray, "t num_ws w_dim"],
    factor: int,
    *,
    closed: bool = False,
) -> Float[np.ndarray, "dense h w"]:
    """Return a blend of frames with the codes' motion, unquantised, nominally in [−1, 1].

    A frame a part p of the way from i to i + 1 is a G(w_p) + (1 − p) r_i + p r_i+1, where the
    residual r = frame − a G(w) is what the generator misses of each. So codes add nothing but
    motion to a blend of the two frames, with `motion_weight` a, and the frames at the original
    times are the originals. Codes are low-passed first: what jitters in them would be added too.
    """
    model.insist_grey()
    moved = model.render(dense_codes(low_pass(jnp.asarray(ws)), factor, closed=closed))[..., 0]
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
