"""How well a segmenter does on hearts whose truth is known."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8

from gancmri_jax.cine.phantom import phantom
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.physiology.intervals import AREAS, FACTOR
from gancmri_jax.physiology.phenotypes import measure
from gancmri_jax.segmentation.segment import LV, segment


class Score(NamedTuple):
    """Means over cines; NaN for what is not known of any.

    Attributes:
        lv_dice: Overlap of the left ventricle's masks, over all frames that have true ones.
        lv_area_error_percent: Absolute error of LV area at ED and at ES.
        sphericity_error: Absolute error of the sphericity index.
        cines: How many cines.
    """

    lv_dice: float
    lv_area_error_percent: float
    sphericity_error: float
    cines: int

    def __str__(self) -> str:
        parts = [f"LV Dice {self.lv_dice:.3f}"]
        if not math.isnan(self.lv_area_error_percent):
            parts.append(f"LV area error {self.lv_area_error_percent:.1f} %")
        if not math.isnan(self.sphericity_error):
            parts.append(f"sphericity error {self.sphericity_error:.3f}")
        of = "of 1 cine" if self.cines == 1 else f"means of {self.cines} cines"
        return ", ".join([*parts, of])


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
        lv_area_error_percent=100 * _known_mean(errors),
        sphericity_error=abs(phenotypes["sphericity_index"] - true_phenotypes["sphericity_index"]),
        cines=1,
    )


def mean(scores: list[Score]) -> Score:
    """Average scores of single cines, each number over the cines of which it is known."""
    lv_dice, area_error, sphericity_error, _ = map(_known_mean, zip(*scores, strict=True))
    return Score(lv_dice, area_error, sphericity_error, len(scores))


def _known_mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


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
