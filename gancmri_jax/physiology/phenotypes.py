"""Phenotypes from a segmented cine: LV area, sphericity index, fractional area change.

Area and sphericity are those of the left ventricle's outline in millimetres, measured as the
phantom's are (`cine.phantom.measure`): the area inside it, and, of the ED frame, the short side
by the long one of the smallest rectangle around it.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.geometry import polygon_area, sides_of_smallest_rectangle
from gancmri_jax.cine.timing import heart_rate_bpm
from gancmri_jax.physiology.contour import contour_mm
from gancmri_jax.segmentation.segment import Segmentation


class Findings(NamedTuple):
    """What a segmentation says of a heart.

    Attributes:
        phenotypes: By column of phenotypes.csv; NaN for what cannot be known.
        areas_cm2: The left ventricle's area in each frame; in square pixels of the segmenter's grid
            where spacing is not known, and 0 where no ventricle was found.
        es_source: Whether the ES frame is the cine's own, or the one of least area.
    """

    phenotypes: dict[str, float]
    areas_cm2: Float[np.ndarray, "t"]
    es_source: Literal["cine", "segmenter"]


def measure(cine: Cine, segmentation: Segmentation) -> Findings:
    """Measure a cine; ES is the frame of least LV area unless the cine knows better.

    Where spacing is unknown, areas and sphericity are NaN, and so is all where no ventricle was
    found in the frame that they are of.
    """
    known = not math.isnan(segmentation.grid_mm[0])
    spacing_mm = segmentation.grid_mm if known else (10.0, 10.0)  # 1 cm² a pixel
    outlines = [contour_mm(frame, spacing_mm) for frame in segmentation.lv_probability]
    areas = np.array([0.0 if line is None else polygon_area(line) / 100 for line in outlines])

    found = np.flatnonzero(areas > 0)
    es_source: Literal["cine", "segmenter"] = "segmenter"
    es_frame: float = found[areas[found].argmin()] if len(found) else math.nan
    if cine.es_frame is not None:
        es_source, es_frame = "cine", cine.es_frame

    ed_area = areas[cine.ed_frame] or math.nan
    es_area = math.nan if math.isnan(es_frame) else areas[int(es_frame)] or math.nan
    outline = outlines[cine.ed_frame]
    index = math.nan
    if known and outline is not None:
        short, long = sides_of_smallest_rectangle(outline)
        index = short / long
    unit = 1.0 if known else math.nan
    return Findings(
        {
            "ed_frame": cine.ed_frame,
            "es_frame": float(es_frame),
            "lv_area_ed_cm2": ed_area * unit,
            "lv_area_es_cm2": es_area * unit,
            "sphericity_index": index,
            "lv_fac_percent": 100 * (1 - es_area / ed_area),
            "ef_percent": math.nan,  # of volumes, which one slice does not hold
            "heart_rate_bpm": heart_rate_bpm(cine.frame_ms, len(cine.pixels)) or math.nan,
        },
        areas,
        es_source,
    )


def describe(findings: Findings) -> str:
    """Say in one line what was measured."""
    values = findings.phenotypes
    if math.isnan(values["es_frame"]):
        return "no left ventricle found"
    parts = []
    if not math.isnan(values["lv_area_ed_cm2"]):
        parts.append(f"LV {values['lv_area_ed_cm2']:.1f} cm² at ED")
    if not math.isnan(values["lv_area_es_cm2"]):
        parts.append(f"{values['lv_area_es_cm2']:.1f} cm² at ES")
    parts.append(f"ES frame {values['es_frame']:.0f}")
    if not math.isnan(values["sphericity_index"]):
        parts.append(f"sphericity {values['sphericity_index']:.2f}")
    if not math.isnan(values["lv_fac_percent"]):
        parts.append(f"FAC {values['lv_fac_percent']:.0f} %")
    if missed := int((findings.areas_cm2 == 0).sum()):
        parts.append(f"no left ventricle found in {missed} frames")
    return ", ".join(parts)
