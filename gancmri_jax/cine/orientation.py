"""Radiological display: the patient's left on the right, the front above.

Directions are those of the patient in DICOM's axes: left, posterior, superior. A four-chamber
plane lies nearer to the axial plane than to any other; other planes are left as they are stored,
because their display has other conventions.
"""

import itertools

import numpy as np
from jaxtyping import Float, Shaped

LEAST_GAIN = 0.1  # of summed cosines; below, two ways round are about equally right

Pixels = Shaped[np.ndarray, "t h w"]
Turned = Shaped[np.ndarray, "t H W"]  # rows and columns may have changed places


def to_radiological(
    pixels: Pixels,
    spacing_mm: tuple[float, float],
    right: Float[np.ndarray, "3"],
    down: Float[np.ndarray, "3"],
) -> tuple[Turned, tuple[float, float]]:
    """Turn and mirror frames of a nearly axial plane to radiological display, by whole quarters.

    Args:
        pixels: Frames as they are stored.
        spacing_mm: Distance between rows and between columns.
        right: Where columns run to in the patient; zeros where it is not known.
        down: Where rows run to.

    Returns:
        Frames and spacing, which are the given ones where they are right already.
    """
    if not _is_nearly_axial(right, down):
        return pixels, spacing_mm
    stored = float(right[0] + down[1])
    scores = {}
    for transpose, up, left in itertools.product((False, True), repeat=3):
        new_right, new_down = (down, right) if transpose else (right, down)
        scores[transpose, up, left] = float((-1) ** left * new_right[0] + (-1) ** up * new_down[1])
    best = max(scores, key=lambda turn: scores[turn])
    if scores[best] < stored + LEAST_GAIN:
        return pixels, spacing_mm
    transpose, up, left = best
    if transpose:
        pixels, spacing_mm = pixels.swapaxes(1, 2), (spacing_mm[1], spacing_mm[0])
    pixels = pixels[:, :: -1 if up else 1, :: -1 if left else 1]
    return np.ascontiguousarray(pixels), spacing_mm


def axial_part(right: Float[np.ndarray, "3"], down: Float[np.ndarray, "3"]) -> float:
    """Return how far a plane is axial: the upward part of its unit normal, 0 to 1."""
    normal = np.cross(right, down)
    length = float(np.linalg.norm(normal))
    return abs(float(normal[2])) / length if length > 0 else 0.0


def _is_nearly_axial(right: Float[np.ndarray, "3"], down: Float[np.ndarray, "3"]) -> bool:
    normal = np.abs(np.cross(right, down))
    return bool(normal[2] > 0 and normal[2] >= normal.max())
