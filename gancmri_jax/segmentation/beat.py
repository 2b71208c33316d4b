"""A model's beat as pictures, with noise that moves: all of it, or in the blood alone."""

from typing import Literal

import numpy as np
from jaxtyping import Array, Float

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.origin import UNKNOWN_MM
from gancmri_jax.cine.preprocess import to_uint8
from gancmri_jax.errors import InputError
from gancmri_jax.model.model import Model
from gancmri_jax.model.noise import PACE, VideoNoise, key_of, moving_noise
from gancmri_jax.networks.cardiac_fcn import CLASSES
from gancmri_jax.segmentation.segment import segment

MOVING = "moving"  # of a model's card: its noise is made to move
_BLOOD = [CLASSES.index(name) for name in ("LV", "RV", "LA", "RA")]


def video_noise(model: Model, asked: VideoNoise | Literal["auto"] = "auto") -> VideoNoise:
    """Return what moves in a model's videos; by default what its card says.

    A model's card says `noise: moving` where training gave the noise something to do. Then it moves
    in the blood, or everywhere where the model has no segmenter to find blood.
    """
    if asked != "auto":
        return asked
    if model.card.get("noise") != MOVING:
        return "constant"
    return "beat" if model.segmenter is None else "blood"


def render_beat(
    model: Model,
    path: Float[Array | np.ndarray, "t num_ws w_dim"],
    noise: VideoNoise | Literal["auto"] = "auto",
    seed: int = 0,
) -> Float[np.ndarray, "t h w c"]:
    """Render a path that is a whole beat.

    With `blood` the beat is rendered twice: the chambers are found in what constant noise gives.

    Args:
        model: Whose codes the path is of.
        path: Codes, frame by frame; after the last comes the first.
        noise: See `video_noise`.
        seed: Of noise that moves: the heart's own.

    Raises:
        InputError: The noise is to move in the blood, and the model has no segmenter.
    """
    chosen = video_noise(model, noise)
    if chosen == "constant":
        return model.render(path)
    where = None
    if chosen == "blood":
        if model.segmenter is None:
            raise InputError(
                "noise that moves in the blood needs a segmenter; put one in by `gancmri "
                "train-segmenter --into`, or take beat or constant"
            )
        pixels = to_uint8(model.render(path)[..., 0])
        cine = Cine(pixels, model.spacing_mm or UNKNOWN_MM, model.frame_ms, "generated")
        where = np.isin(segment(model.segmenter, cine).masks, _BLOOD).astype(np.float32)
    maps = moving_noise(key_of(seed), model.noise, len(path), PACE[chosen], where)
    return model.render(path, noise=maps)


def beat_pixels(
    model: Model,
    path: Float[Array | np.ndarray, "t num_ws w_dim"],
    noise: VideoNoise | Literal["auto"] = "auto",
    seed: int = 0,
) -> np.ndarray:
    """Render a path as `render_beat` does, clipped and quantised as files hold it [t h w].

    Raises:
        InputError: As `render_beat`, or the model's images are in colour.
    """
    model.insist_grey()
    return to_uint8(render_beat(model, path, noise, seed)[..., 0])
