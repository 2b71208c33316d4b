"""From the intensities of a scanner to the square 8-bit frames a model learns from.

This file is the one place that says what range images are in: records hold uint8, models see
float32 nominally in [-1, 1], x / 127.5 - 1.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image

from gancmri_jax.cine.cine import Cine
from gancmri_jax.errors import InputError

Fit = Literal["stretch", "pad"]


def preprocess(
    cine: Cine,
    size: int,
    fit: Fit = "stretch",
    percentiles: tuple[float, float] = (1.0, 99.0),
    window: tuple[float, float] | None = None,
) -> Cine:
    """Window a cine over its whole sequence and resize its frames to uint8 squares.

    Frames are resized one by one, with antialiasing when they shrink, and never blended in time.

    Args:
        cine: Any intensities, any size.
        size: Rows and columns of the result.
        fit: `stretch` fills the square, as the paper does, and makes the spacing anisotropic;
            `pad` keeps proportions in millimetres, in pixels where the spacing is not known, and
            fills up with black.
        percentiles: Of all pixels of the sequence, become black and white; what lies outside is
            clipped.
        window: The intensities that become black and white, instead of the percentiles.

    Raises:
        InputError: The window is empty or a number is not finite.
    """
    low, high = window_of(cine, percentiles) if window is None else window
    height, width = cine.pixels.shape[1:]
    row_mm, column_mm = cine.spacing_mm
    new_height = new_width = size
    if fit == "pad":
        height_mm, width_mm = height * row_mm, width * column_mm
        if math.isnan(row_mm):
            height_mm, width_mm = float(height), float(width)
        new_height = max(1, round(size * height_mm / max(height_mm, width_mm)))
        new_width = max(1, round(size * width_mm / max(height_mm, width_mm)))
    top, left = (size - new_height) // 2, (size - new_width) // 2
    square = np.zeros((len(cine.pixels), size, size), np.uint8)
    for picture, frame in zip(square, cine.pixels, strict=True):  # all at once take much memory
        windowed = np.clip((frame.astype(np.float32) - low) / (high - low), 0, 1)
        resized = _resize(windowed, new_height, new_width)
        picture[top : top + new_height, left : left + new_width] = resized
    return dataclasses.replace(
        cine,
        pixels=square,
        spacing_mm=(row_mm * height / new_height, column_mm * width / new_width),
        padded_share=0.0,
    )


def percentiles_of(cine: Cine, percentiles: Sequence[float]) -> Float[np.ndarray, "n"]:
    """Return percentiles of what was measured: padding, which is the lowest, is left out."""
    share = 100 * cine.padded_share
    return np.percentile(cine.pixels, [share + (1 - cine.padded_share) * p for p in percentiles])


def check_percentiles(percentiles: tuple[float, float]) -> None:
    """Raise `InputError` unless two percentiles rise within 0 and 100."""
    if not 0 <= percentiles[0] < percentiles[1] <= 100:
        raise InputError(f"percentiles must rise within 0 and 100, got {percentiles}")


def to_model_range(frames: UInt8[Any, "*shape"]) -> Float[Any, "*shape"]:
    """Return uint8 pixels, NumPy's or JAX's, as float32 in [-1, 1]."""
    return frames.astype(np.float32) / 127.5 - 1


def to_uint8(images: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Undo `to_model_range`: clip to [-1, 1] and round to the nearest of 256 levels."""
    return np.round((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)


def window_of(cine: Cine, percentiles: tuple[float, float] = (1.0, 99.0)) -> tuple[float, float]:
    """Return the intensities that become black and white.

    Raises:
        InputError: They are the same, or not finite.
    """
    check_percentiles(percentiles)
    low, high = (float(value) for value in percentiles_of(cine, percentiles))
    if not np.isfinite([low, high]).all():
        raise InputError(f"{cine.subject}: holds numbers that are not finite")
    if low == high:
        raise InputError(
            f"{cine.subject}: all is {low:g} between percentiles {percentiles[0]:g} and "
            f"{percentiles[1]:g}, which leaves no contrast"
        )
    return low, high


def _resize(frame: Shaped[np.ndarray, "h w"], height: int, width: int) -> UInt8[np.ndarray, "H W"]:
    image = Image.fromarray(frame.astype(np.float32))
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.round(np.clip(np.asarray(image), 0, 1) * 255).astype(np.uint8)
