"""What a heart does from end-diastole to end-systole, measured from the masks of a cine.

The cavity shrinks, walls thicken, the mitral plane descends to the apex, and the atria fill while
the ventricles empty.
"""

import dataclasses
import math
from typing import NamedTuple

import jax.image
import numpy as np
import scipy.ndimage
from jaxtyping import Bool, Float, UInt8

from gancmri_jax.cine.cine import Cine
from gancmri_jax.errors import InputError
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.networks.cardiac_fcn import CLASSES
from gancmri_jax.physiology.phenotypes import measure
from gancmri_jax.segmentation.segment import LV, MYOCARDIUM, segment

LA, RA = CLASSES.index("LA"), CLASSES.index("RA")


class Beat(NamedTuple):
    """What changes from ED to ES; NaN for what was not found.

    Attributes:
        lv_fac_percent: Fractional area change of the left ventricle.
        es_percent: When the left ventricle is smallest, of the beat.
        wall_thickening_percent: Of the myocardium's mean thickness.
        mitral_descent_mm: How far the border of ventricle and atrium moves towards the ventricle.
        la_filling_percent, ra_filling_percent: Growth of the atria's areas.
    """

    lv_fac_percent: float
    es_percent: float
    wall_thickening_percent: float
    mitral_descent_mm: float
    la_filling_percent: float
    ra_filling_percent: float


def measure_beat(segmenter: Segmenter, cine: Cine) -> tuple[Beat, Float[np.ndarray, "t"]]:
    """Segment a cine on the segmenter's own grid and compare ES, the least LV area, with ED.

    Returns:
        What changes, and the left ventricle's area in each frame in cm², NaN where it has none.

    Raises:
        InputError: The cine's spacing is unknown, or it cannot be segmented.
    """
    if math.isnan(cine.spacing_mm[0]):
        raise InputError(f"{cine.subject}: needs the distance between pixels, which is unknown")
    cine = _on_grid(dataclasses.replace(cine, es_frame=None), segmenter.pixel_mm)
    segmentation = segment(segmenter, cine)
    findings = measure(cine, segmentation, begins_at_ed=True)
    found, areas = findings.phenotypes, findings.areas_cm2
    areas = np.where(areas > 0, areas, np.nan)
    if math.isnan(found["lv_fac_percent"]):
        return Beat(*[math.nan] * len(Beat._fields)), areas
    ed, es = (segmentation.masks[int(found[frame])] for frame in ("ed_frame", "es_frame"))
    phase = found["es_phase_frames"]
    es_at = found["es_frame"] if math.isnan(phase) else phase
    beat = Beat(
        lv_fac_percent=found["lv_fac_percent"],
        es_percent=100 * (es_at - found["ed_frame"]) / len(cine.pixels) % 100,
        wall_thickening_percent=_growth(*(thickness_mm(m, cine.spacing_mm) for m in (ed, es))),
        mitral_descent_mm=mitral_descent_mm(ed, es, cine.spacing_mm),
        la_filling_percent=_growth(float((ed == LA).sum()), float((es == LA).sum())),
        ra_filling_percent=_growth(float((ed == RA).sum()), float((es == RA).sum())),
    )
    return beat, areas


def thickness_mm(mask: UInt8[np.ndarray, "h w"], spacing_mm: tuple[float, float]) -> float:
    """Return the mean thickness of the myocardium; NaN where there is none.

    Across a band of thickness T the distance to its edge is T / 4 on average; distances are to the
    centres of the pixels outside, half a pixel too far.
    """
    wall = mask == MYOCARDIUM
    if not wall.any():
        return math.nan
    distance = scipy.ndimage.distance_transform_edt(np.pad(wall, 1), sampling=spacing_mm)
    return 4 * (float(distance[1:-1, 1:-1][wall].mean()) - sum(spacing_mm) / 4)


def mitral_descent_mm(
    ed: UInt8[np.ndarray, "h w"],
    es: UInt8[np.ndarray, "h w"],
    spacing_mm: tuple[float, float],
) -> float:
    """Return how far the middle of the mitral plane moves towards the ventricle's centre at ED."""
    planes = [_middle_mm(_border(mask == LV, mask == LA), spacing_mm) for mask in (ed, es)]
    towards = _middle_mm(ed == LV, spacing_mm) - planes[0]
    return float((planes[1] - planes[0]) @ towards / np.linalg.norm(towards))


def _border(one: Bool[np.ndarray, "h w"], other: Bool[np.ndarray, "h w"]) -> np.ndarray:
    """Return the pixels of one region that lie within two pixels of another."""
    return one & scipy.ndimage.binary_dilation(other, iterations=2)


def _middle_mm(
    region: Bool[np.ndarray, "h w"], spacing_mm: tuple[float, float]
) -> Float[np.ndarray, "2"]:
    points = np.argwhere(region)
    return points.mean(axis=0) * spacing_mm if len(points) else np.full(2, np.nan)


def _growth(before: float, after: float) -> float:
    return 100 * (after / before - 1) if before else math.nan


def _on_grid(cine: Cine, pixel_mm: float) -> Cine:
    """Bring frames to pixels of the segmenter's size, so that masks are as fine as its grid."""
    t, *sides = cine.pixels.shape
    grid = [max(round(n * mm / pixel_mm), 1) for n, mm in zip(sides, cine.spacing_mm, strict=True)]
    pixels = np.asarray(jax.image.resize(cine.pixels.astype(np.float32), (t, *grid), "linear"))
    row_mm, column_mm = (n * mm / g for n, mm, g in zip(sides, cine.spacing_mm, grid, strict=True))
    return dataclasses.replace(cine, pixels=pixels, spacing_mm=(row_mm, column_mm))
