"""How well a segmenter does on hearts whose truth is known."""

import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8

from gancmri_jax.cine.nifti import read_nifti
from gancmri_jax.cine.phantom import phantom
from gancmri_jax.cine.phenotypes import Phenotypes
from gancmri_jax.errors import InputError
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.physiology.intervals import AREAS, FACTOR
from gancmri_jax.physiology.phenotypes import Findings, measure
from gancmri_jax.segmentation.segment import LV, Segmentation, segment

MASK = "la_4ch_mask.nii.gz"  # as `gancmri phantom` names it


class Score(NamedTuple):
    """Means over cines.

    Attributes:
        lv_dice: Overlap of the left ventricle's masks, over all frames.
        lv_area_error_percent: Absolute error of LV area at ED and at ES.
        sphericity_error: Absolute error of the sphericity index.
        cines: How many cines.
    """

    lv_dice: float
    lv_area_error_percent: float
    sphericity_error: float
    cines: int

    def __str__(self) -> str:
        return (
            f"LV Dice {self.lv_dice:.3f}, LV area error {self.lv_area_error_percent:.1f} %, "
            f"sphericity error {self.sphericity_error:.3f}, means of {self.cines} cines"
        )


def dice(a: Bool[np.ndarray, "*shape"], b: Bool[np.ndarray, "*shape"]) -> float:
    """Return twice what two regions share by what they hold together; 1 where both are empty."""
    together = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / together if together else 1.0


def compare(
    masks: UInt8[np.ndarray, "t h w"],
    phenotypes: Mapping[str, float],
    true_masks: UInt8[np.ndarray, "t h w"],
    true_phenotypes: Mapping[str, float],
) -> Score:
    """Score one cine against its truth."""
    errors = [
        abs(phenotypes[name] / true_phenotypes[name] - 1)
        for name in ("lv_area_ed_cm2", "lv_area_es_cm2")
    ]
    return Score(
        lv_dice=float(
            np.mean([dice(a == LV, b == LV) for a, b in zip(masks, true_masks, strict=True)])
        ),
        lv_area_error_percent=100 * float(np.mean(errors)),
        sphericity_error=abs(phenotypes["sphericity_index"] - true_phenotypes["sphericity_index"]),
        cines=1,
    )


def mean(scores: list[Score]) -> Score:
    """Average scores of single cines."""
    lv_dice, area_error, sphericity_error, _ = np.mean(scores, axis=0).tolist()
    return Score(lv_dice, area_error, sphericity_error, len(scores))


def describe_coverage(rows: Sequence[tuple[Mapping[str, float], Mapping[str, float]]]) -> str:
    """Say how many true areas the intervals hold, and which factor would hold nine in ten.

    Args:
        rows: Phenotypes as measured, with intervals, and true ones.
    """
    misses = []  # errors in halves of the interval
    for found, true in rows:
        for column in AREAS:
            half = (found[f"{column}_high"] - found[f"{column}_low"]) / 2
            if half > 0 and math.isfinite(true[column]):
                misses.append(abs(found[column] - true[column]) / half)
    if not misses:
        return "intervals: no area is known"
    held = sum(miss <= 1 for miss in misses)
    needed = FACTOR * float(np.quantile(misses, 0.9))
    return (
        f"intervals hold {held} of {len(misses)} true areas ({held / len(misses):.0%}) with a "
        f"factor of {FACTOR:.2f}; one of {needed:.2f} holds 90 %"
    )


def score_against(
    truth: pathlib.Path,
    true_phenotypes: Phenotypes,
    name: str,
    segmentation: Segmentation,
    findings: Findings,
) -> Score:
    """Score one cine against the mask of its name in a folder as `gancmri phantom` writes it.

    Raises:
        InputError: The folder has no such mask, the table no such subject, or sizes differ.
    """
    if name not in true_phenotypes:
        raise InputError(f"{truth}: phenotypes.csv has no subject {name}, to score it against")
    masks = read_nifti(truth / name / MASK, name).pixels
    if masks.shape != segmentation.masks.shape:
        raise InputError(
            f"{truth}: the mask of {name} is {masks.shape}, the cine {segmentation.masks.shape}"
        )
    return compare(segmentation.masks, findings.phenotypes, masks, true_phenotypes[name])


def score_phantoms(
    segmenter: Segmenter, seed: int, subjects: int, size: int, frames: int = 10
) -> Score:
    """Score a segmenter on phantom hearts; they are held back if it was trained on another seed."""
    scores = []
    for index in range(subjects):
        heart = phantom(seed, index, size, frames)
        cine = dataclasses.replace(heart.cine, es_frame=None)  # which is to be found as well
        segmentation = segment(segmenter, cine)
        found = measure(cine, segmentation).phenotypes
        scores.append(compare(segmentation.masks, found, heart.masks, heart.phenotypes))
    return mean(scores)


def held_back_scores(
    segmenter: Segmenter, seed: int, sizes: tuple[int, ...] = (64, 256), subjects: int = 20
) -> dict[int, Score]:
    """Score a segmenter on phantom hearts of a population of their own, by size of the frames."""
    return {size: score_phantoms(segmenter, seed, subjects, size) for size in sizes}
