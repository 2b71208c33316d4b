"""90 % intervals of LV areas, by test-time augmentation.

A cine is segmented again mirrored, and turned and scaled a little both ways. What the areas differ
by says how sure they are; a factor, calibrated on phantoms, makes intervals of it.
"""

import dataclasses
import math
from typing import NamedTuple

import numpy as np
import scipy.ndimage

from gancmri_jax.cine.cine import Cine
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.physiology.phases import find_phases
from gancmri_jax.physiology.phenotypes import Findings, measure
from gancmri_jax.segmentation.segment import segment
from gancmri_jax.segmentation.whole import Papillary

AREAS = {"lv_area_ed_cm2": "ed_frame", "lv_area_es_cm2": "es_frame"}
# Half a 90 % interval, in deviations between looks; `docs/segmentation.md` says how it is measured.
FACTOR = 2.1
FLOOR = 0.03  # of the area: what looks may err by and agree


class Look(NamedTuple):
    """How a cine is shown again: mirrored or not, turned, enlarged."""

    mirrored: bool
    degrees: float
    scale: float


LOOKS = (Look(True, 0.0, 1.0), Look(False, 8.0, 1.06), Look(True, -8.0, 0.94))


def area_intervals(
    segmenter: Segmenter, cine: Cine, findings: Findings, papillary: Papillary = "pool"
) -> dict[str, float]:
    """Return the bounds of a 90 % interval of each area at ED and ES, NaN where there is none.

    Args:
        segmenter: What the findings are by.
        cine: Its frames.
        findings: What was measured on the cine as it is.
        papillary: As it was then.
    """
    seen = {column: [findings.phenotypes[column]] for column in AREAS}
    for look in LOOKS if math.isfinite(cine.spacing_mm[0]) else ():
        shown = looked_at(cine, look)
        again = measure(shown, segment(segmenter, shown, papillary=papillary))
        phases = find_phases(again.areas_cm2)
        for column, name in AREAS.items():
            frame = findings.phenotypes[name]
            area = math.nan
            if phases is not None and not math.isnan(frame):
                area = float(phases.areas[int(frame)]) / look.scale**2
            seen[column].append(area)
    bounds = {}
    for column, areas in seen.items():
        half = FACTOR * deviation(np.array(areas))
        bounds[f"{column}_low"], bounds[f"{column}_high"] = (
            max(areas[0] - half, 0.0),
            areas[0] + half,
        )
    return bounds


def deviation(areas: np.ndarray) -> float:
    """Return the deviation between looks, the first being the cine as it is, and a floor.

    A look without a ventricle makes it as large as the area.
    """
    if math.isnan(areas[0]):
        return math.nan
    others = np.nan_to_num(areas[1:], nan=0.0)
    between = float(np.std(np.append(others, areas[0]), ddof=1)) if len(others) else math.nan
    return math.hypot(between, FLOOR * areas[0])


def looked_at(cine: Cine, look: Look) -> Cine:
    """Return a cine turned, enlarged and mirrored about its middle; what comes in is darkest."""
    radians = math.radians(look.degrees)
    c, s = math.cos(radians), math.sin(radians)
    mm = np.asarray(cine.spacing_mm)
    # From the pixels of the result to those of the cine; turned in millimetres.
    matrix = np.array([[c, s], [-s, c]]) * mm[None, :] / mm[:, None] / look.scale
    middle = (np.asarray(cine.pixels.shape[1:]) - 1) / 2
    offset = middle - matrix @ middle
    pixels = cine.pixels.astype(np.float32)
    if look.degrees or look.scale != 1:
        darkest = float(pixels.min())
        pixels = np.stack(
            [
                scipy.ndimage.affine_transform(
                    frame, matrix, offset, order=1, mode="constant", cval=darkest
                )
                for frame in pixels
            ]
        )
    if look.mirrored:
        pixels = np.ascontiguousarray(pixels[:, :, ::-1])
    return dataclasses.replace(cine, pixels=pixels)
