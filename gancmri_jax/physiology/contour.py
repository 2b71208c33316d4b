"""The outline of a region that a probability gives, finer than the pixels."""

import contourpy
import numpy as np
from jaxtyping import Float

from gancmri_jax.cine.geometry import polygon_area

LEVEL = 0.5


def contour_mm(
    probability: Float[np.ndarray, "h w"], spacing_mm: tuple[float, float]
) -> Float[np.ndarray, "n 2"] | None:
    """Trace the region of probability above one half, the largest where there are several.

    Args:
        probability: Values at pixels' centres; beyond the border it is zero.
        spacing_mm: Distance between rows and between columns.

    Returns:
        The outline's points (row mm, column mm) from the first pixel's centre, the first not
        repeated; None where nothing is above one half.
    """
    padded = np.pad(probability.astype(np.float64), 1)
    lines = contourpy.contour_generator(z=padded, line_type="Separate").lines(LEVEL)
    closed = [_without_repeats(np.asarray(line)[:, ::-1] - 1) for line in lines]
    if not closed:
        return None
    return max(closed, key=polygon_area) * np.asarray(spacing_mm)


def _without_repeats(line: Float[np.ndarray, "m 2"]) -> Float[np.ndarray, "n 2"]:
    """Drop points that are where the one before is: at a pixel of one half, and at the end."""
    return line[:-1][np.any(np.diff(line, axis=0) != 0, axis=1)]
