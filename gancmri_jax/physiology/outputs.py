"""Segmentation of a study: masks, overlays, curves and `phenotypes.csv` in a folder."""

import json
import math
import pathlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.masks import OURS
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.phenotypes import write_phenotypes
from gancmri_jax.cine.video_file import write_mp4, write_png
from gancmri_jax.disclaimer import marked_card
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.physiology.curve import plot_curve, write_curve
from gancmri_jax.physiology.intervals import area_intervals
from gancmri_jax.physiology.phenotypes import Findings, measure
from gancmri_jax.segmentation.overlay import captioned, contact_sheet, overlay
from gancmri_jax.segmentation.quality import judge
from gancmri_jax.segmentation.scale import HEART_SPREAD, estimate_spacing_mm
from gancmri_jax.segmentation.segment import Segmentation, segment
from gancmri_jax.segmentation.whole import Papillary

BEAT_MS = 1000.0  # how long a beat is shown whose timing is unknown


def unique_names(cines: Sequence[Cine]) -> list[str]:
    """Name each cine by its subject, and by its place among that subject's where it has several."""
    return numbered([cine.subject for cine in cines])


def numbered(subjects: Sequence[str]) -> list[str]:
    """Return names of which those that stand several times are numbered."""
    counts = Counter(subjects)
    seen: Counter[str] = Counter()
    names = []
    for name in subjects:
        seen[name] += 1
        names.append(name if counts[name] == 1 else f"{name}-{seen[name]}")
    return names


def segment_cine(
    segmenter: Segmenter,
    cine: Cine,
    folder: pathlib.Path,
    papillary: Papillary = "pool",
    intervals: bool = False,
) -> tuple[Segmentation, Findings]:
    """Segment a cine, judge it, and write what was found into a folder of its own.

    There are `overlay.png`, `overlay.mp4`, `lv_area.csv`, `lv_area.png` and, where spacing is
    known, `la_4ch_mask.nii.gz`.

    Args:
        segmenter: What finds the chambers.
        cine: Frames of any size.
        folder: Where to write.
        papillary: Whether papillary muscles belong to the LV's pool or to its wall.
        intervals: Measure 90 % intervals of the areas at ED and ES.

    Raises:
        InputError: The cine cannot be segmented.
    """
    segmentation = segment(segmenter, cine, papillary=papillary)
    findings = measure(cine, segmentation)
    ed_frame = int(findings.phenotypes["ed_frame"])
    quality = judge(segmentation, cine.spacing_mm, ed_frame)
    findings = findings._replace(
        quality=quality,
        estimated_mm=estimate_spacing_mm(segmentation.masks[ed_frame])
        if math.isnan(cine.spacing_mm[0])
        else None,
    )
    if intervals:
        bounds = area_intervals(segmenter, cine, findings, papillary)
        findings = findings._replace(phenotypes=findings.phenotypes | bounds)
    folder.mkdir(parents=True, exist_ok=True)
    if not math.isnan(cine.spacing_mm[0]):
        write_nifti(
            folder / f"{OURS}.nii.gz", segmentation.masks, cine.spacing_mm, cine.frame_ms or 0.0
        )
    drawn = overlay(cine, segmentation.masks)
    reasons = [f"{flag.name}: {flag.reason}" for flag in quality.flags]
    write_png(folder / "overlay.png", captioned(contact_sheet(drawn), reasons))
    write_mp4(folder / "overlay.mp4", drawn, cine.frame_ms or BEAT_MS / len(drawn))
    write_curve(folder / "lv_area.csv", findings, cine)
    plot_curve(folder / "lv_area.png", findings, cine)
    return segmentation, findings


def write_findings(
    out: pathlib.Path,
    findings: dict[str, Findings],
    segmenter: Segmenter,
    papillary: Papillary = "pool",
) -> None:
    """Write `phenotypes.csv`, and `segmentation.json`, which says where its numbers come from."""
    table: dict[str, dict[str, float | str]] = {
        name: {**found.phenotypes, "flags": found.flags} for name, found in findings.items()
    }
    with atomic_write(out / "phenotypes.csv") as part:
        write_phenotypes(part, table)
    described = {
        "segmenter": segmenter.card,
        "papillary": papillary,
        "subjects": {name: _described(found) for name, found in findings.items()},
    }
    with atomic_write(out / "segmentation.json") as part:
        part.write_text(json.dumps(marked_card(described), indent=2) + "\n")


def _described(found: Findings) -> dict[str, Any]:
    """Return what segmentation.json says of one cine."""
    flags = found.quality.flags if found.quality else ()
    measured = found.quality.measured if found.quality else {}
    described: dict[str, Any] = {
        "ed_frame": "largest LV area; frame 0 is clearly smaller"
        if found.ed_source == "segmenter"
        else "frame 0 unless the input says otherwise",
        "es_frame": found.es_source,
        "frames_without_lv": np.flatnonzero(found.areas_cm2 == 0).tolist(),
        "flags": {flag.name: flag.reason for flag in flags},
        "judged_by": {name: float(f"{value:.4g}") for name, value in measured.items()},
    }
    if found.estimated_mm is not None:
        described["spacing_estimated_from_heart_mm"] = round(found.estimated_mm, 3)
        described["spacing_estimated_spread"] = HEART_SPREAD
    return described
