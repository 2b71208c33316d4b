"""Phenotypes from a segmented cine: LV area, sphericity index, fractional area change.

Area and sphericity are those of the left ventricle's outline in millimetres, measured as the
phantom's are (`cine.phantom.measure`): the area inside it, and, of the ED frame, the short side
by the long one of the smallest rectangle around it. ED, ES and their areas are those of the area
curve, smoothed over the beat.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.geometry import polygon_area, sides_of_smallest_rectangle
from gancmri_jax.cine.timing import heart_rate_bpm
from gancmri_jax.physiology.contour import contour_mm
from gancmri_jax.physiology.phases import FEWEST, find_phases, starts_at
from gancmri_jax.segmentation.quality import Quality
from gancmri_jax.segmentation.segment import Segmentation


class Findings(NamedTuple):
    """What a segmentation says of a heart.

    Attributes:
        phenotypes: By column of phenotypes.csv; NaN for what cannot be known.
        areas_cm2: The left ventricle's area in each frame; in square pixels of the segmenter's grid
            where spacing is not known, and 0 where no ventricle was found.
        es_source: Whether the ES frame is the cine's own, or the one of least area.
        ed_source: Whether the ED frame is the cine's own, frame 0 by default, or the one of
            largest area.
        smooth_cm2: The areas, smoothed over the beat; None where there is no ventricle.
        quality: What the segmentation was judged by, where it was.
        estimated_mm: The spacing of a cine that does not say it, by its heart's size; None where
            it is known, or the heart is not whole.
    """

    phenotypes: dict[str, float]
    areas_cm2: Float[np.ndarray, "t"]
    es_source: Literal["cine", "segmenter"]
    ed_source: Literal["cine", "segmenter"] = "cine"
    smooth_cm2: Float[np.ndarray, "t"] | None = None
    quality: Quality | None = None
    estimated_mm: float | None = None

    @property
    def flags(self) -> str:
        """The names of what is wrong, as phenotypes.csv has them; empty where all is well."""
        return ";".join(flag.name for flag in self.quality.flags) if self.quality else ""


def measure(cine: Cine, segmentation: Segmentation, *, begins_at_ed: bool = False) -> Findings:
    """Measure a cine; ES is when the LV's area is smallest, unless the cine knows better.

    ED is the cine's, frame 0 unless it says otherwise; where the ventricle is clearly larger in
    another frame, that one, unless the beat begins at ED. Where spacing is unknown, areas and
    sphericity are NaN, and so is all where no ventricle was found in the frame that they are of.

    Args:
        cine: What was segmented.
        segmentation: Its masks.
        begins_at_ed: The beat is known to begin at ED, as generated ones do.
    """
    known = not math.isnan(segmentation.grid_mm[0])
    spacing_mm = segmentation.grid_mm if known else (10.0, 10.0)  # 1 cm² a pixel
    outlines = [contour_mm(frame, spacing_mm) for frame in segmentation.lv_probability]
    areas = np.array([0.0 if line is None else polygon_area(line) / 100 for line in outlines])

    if segmentation.papillary_pixels is not None:
        added = segmentation.papillary_pixels * math.prod(spacing_mm) / 100
        areas = np.where(areas > 0, np.maximum(areas + added, 0), areas)

    phases = find_phases(areas)
    ed_source: Literal["cine", "segmenter"] = "cine"
    es_source: Literal["cine", "segmenter"] = "segmenter"
    ed_frame, es_frame, es_phase = cine.ed_frame, math.nan, math.nan
    smooth = areas
    if phases is not None:
        smooth = np.where(areas > 0, phases.areas, 0)
        es_phase = phases.es_phase
        es_frame = float(round(es_phase) % len(areas))
        unsaid = ed_frame == 0 and cine.es_frame is None and not begins_at_ed
        if unsaid and len(areas) >= FEWEST:
            ed_frame = starts_at(0, phases)
            ed_source = "segmenter" if ed_frame else "cine"
    if cine.es_frame is not None:
        es_source, es_frame = "cine", float(cine.es_frame)

    ed_area = smooth[ed_frame] or math.nan
    es_area = math.nan if math.isnan(es_frame) else smooth[int(es_frame)] or math.nan
    outline = outlines[ed_frame]
    index = math.nan
    if known and outline is not None:
        short, long = sides_of_smallest_rectangle(outline)
        index = short / long
    unit = 1.0 if known else math.nan
    return Findings(
        {
            "ed_frame": ed_frame,
            "es_frame": es_frame,
            "es_phase_frames": es_phase,
            "lv_area_ed_cm2": ed_area * unit,
            "lv_area_es_cm2": es_area * unit,
            "sphericity_index": index,
            "lv_fac_percent": 100 * (1 - es_area / ed_area),
            "ef_percent": math.nan,  # of volumes, which one slice does not hold
            "heart_rate_bpm": heart_rate_bpm(cine.frame_ms, len(cine.pixels)) or math.nan,
        },
        areas,
        es_source,
        ed_source,
        None if phases is None else phases.areas,
    )


def describe(findings: Findings) -> str:
    """Say in one line what was measured."""
    values = findings.phenotypes
    if math.isnan(values["es_frame"]):
        return "no left ventricle found"
    parts: list[str] = []
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
    text = ", ".join(parts)
    if findings.quality and findings.quality.flags:
        reasons = "; ".join(f"{flag.name}: {flag.reason}" for flag in findings.quality.flags)
        text += f"; FLAGGED, {reasons}"
    return text


def describe_means(findings: list[Findings]) -> str:
    """Say in one line what cines measure in the mean; what is not known of a cine is left out."""
    parts = []
    for column, text in (
        ("lv_area_ed_cm2", "LV {:.1f} cm² at ED"),
        ("lv_area_es_cm2", "{:.1f} cm² at ES"),
        ("sphericity_index", "sphericity {:.2f}"),
        ("lv_fac_percent", "FAC {:.0f} %"),
    ):
        values = [found.phenotypes[column] for found in findings]
        known = [value for value in values if not math.isnan(value)]
        if known:
            parts.append(text.format(sum(known) / len(known)))
    return ", ".join(parts) or "no left ventricle found"
