"""Segmentation of a study: masks, overlays, curves and `phenotypes.csv` in a folder."""

import json
import math
import pathlib
from collections.abc import Sequence

import numpy as np

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.phenotypes import Phenotypes, write_phenotypes
from gancmri_jax.cine.video_file import write_mp4, write_png
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.physiology.curve import plot_curve, write_curve
from gancmri_jax.physiology.phenotypes import Findings, measure
from gancmri_jax.physiology.score import MASK
from gancmri_jax.segmentation.overlay import contact_sheet, overlay
from gancmri_jax.segmentation.segment import Segmentation, segment

BEAT_MS = 1000.0  # how long a beat is shown whose timing is unknown


def unique_names(cines: Sequence[Cine]) -> list[str]:
    """Name each cine by its subject, and by its place among that subject's where it has several."""
    subjects = [cine.subject for cine in cines]
    return [
        name if subjects.count(name) == 1 else f"{name}-{subjects[:index].count(name) + 1}"
        for index, name in enumerate(subjects)
    ]


def segment_cine(
    segmenter: Segmenter, cine: Cine, folder: pathlib.Path
) -> tuple[Segmentation, Findings]:
    """Segment a cine and write what was found into a folder of its own.

    There are `overlay.png`, `overlay.mp4`, `lv_area.csv`, `lv_area.png` and, where spacing is
    known, `la_4ch_mask.nii.gz`.

    Raises:
        InputError: The cine cannot be segmented.
    """
    segmentation = segment(segmenter, cine)
    findings = measure(cine, segmentation)
    folder.mkdir(parents=True, exist_ok=True)
    if not math.isnan(cine.spacing_mm[0]):
        write_nifti(folder / MASK, segmentation.masks, cine.spacing_mm, cine.frame_ms or 0.0)
    drawn = overlay(cine, segmentation.masks)
    write_png(folder / "overlay.png", contact_sheet(drawn))
    write_mp4(folder / "overlay.mp4", drawn, cine.frame_ms or BEAT_MS / len(drawn))
    write_curve(folder / "lv_area.csv", findings.areas_cm2, cine)
    plot_curve(folder / "lv_area.png", findings, cine)
    return segmentation, findings


def write_findings(out: pathlib.Path, findings: dict[str, Findings], segmenter: Segmenter) -> None:
    """Write `phenotypes.csv`, and `segmentation.json`, which says where its numbers come from."""
    table: Phenotypes = {name: found.phenotypes for name, found in findings.items()}
    with atomic_write(out / "phenotypes.csv") as part:
        write_phenotypes(part, table)
    described = {
        "segmenter": segmenter.card,
        "subjects": {
            name: {
                "ed_frame": "frame 0 unless the input says otherwise",
                "es_frame": found.es_source,
                "frames_without_lv": np.flatnonzero(found.areas_cm2 == 0).tolist(),
            }
            for name, found in findings.items()
        },
    }
    with atomic_write(out / "segmentation.json") as part:
        part.write_text(json.dumps(described, indent=2) + "\n")
