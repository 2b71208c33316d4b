"""Segmentations against truth: drawn masks, read before anything is segmented, and the report."""

import dataclasses
import math
import pathlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.masks import STRUCTURES, Masks, find_masks, read_masks
from gancmri_jax.cine.phenotypes import Phenotypes, read_phenotypes
from gancmri_jax.errors import InputError
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.physiology.agreement import (
    FrameAgreement,
    Overlap,
    compare_frames,
    describe_overlaps,
    describe_poor,
    mean_overlaps,
    true_phenotypes,
    write_scores,
)
from gancmri_jax.physiology.bland_altman import Pair, describe_agreement, plot_agreement
from gancmri_jax.physiology.phenotypes import Findings
from gancmri_jax.physiology.score import compare, describe_coverage, mean
from gancmri_jax.segmentation.segment import Segmentation, segment
from gancmri_jax.segmentation.whole import LV


class Truth(NamedTuple):
    """What is true of a cine: drawn masks, and LV areas and shape as far as they are known."""

    masks: Masks
    phenotypes: dict[str, float]


class Scored(NamedTuple):
    """How a cine's segmentation agrees with the truth.

    Attributes:
        truth: What is true.
        frames: Agreement in each frame that has a drawn mask.
        found: The segmentation's masks of those frames.
        measured: What was measured, by column.
        flags: Why it is not to be trusted; empty where all is well.
    """

    truth: Truth
    frames: list[FrameAgreement]
    found: Masks
    measured: dict[str, float]
    flags: str


def read_truth(
    path: pathlib.Path,
    cines: Mapping[str, Cine],
    on_missing: Callable[[str], object] = lambda _: None,
) -> dict[str, Truth]:
    """Read the masks of cines by their subjects' names.

    LV areas, fractional area change and sphericity index come from `phenotypes.csv` in the folder
    where there is one, and are else those of the masks at ED and ES.

    Args:
        path: A folder with masks (`cine.masks`).
        cines: Cines by name, their ED and ES frames as the input says.
        on_missing: Called with the name of a cine that has no mask.

    Raises:
        InputError: Masks cannot be read or do not fit their cine, a subject has several cines, or
            no cine has a mask.
    """
    files = find_masks(path)
    table: Phenotypes | None = None
    if (path / "phenotypes.csv").is_file():
        table = read_phenotypes(path / "phenotypes.csv")
    counts = Counter(cine.subject for cine in cines.values())
    truths: dict[str, Truth] = {}
    for name, cine in cines.items():
        if cine.subject not in files:
            on_missing(name)
            continue
        if counts[cine.subject] > 1:
            raise InputError(
                f"{path}: masks belong to a subject, and {cine.subject} has "
                f"{counts[cine.subject]} cines in --input; keep one"
            )
        if table is not None and cine.subject not in table:
            raise InputError(
                f"{path}: phenotypes.csv has no subject {cine.subject}, to score it against; add "
                "it, or remove the table to use the masks' areas"
            )
        masks = read_masks(files[cine.subject], cine)
        row = {} if table is None else table[cine.subject]
        truths[name] = Truth(masks, _with_row(true_phenotypes(masks, cine.spacing_mm), row))
    if not truths:
        some = ", ".join(sorted(files)[:3])
        raise InputError(
            f"{path}: holds no mask of a subject in --input; it has those of {some}"
            f"{', …' if len(files) > 3 else ''}; name subjects alike"
        )
    return truths


def _with_row(values: dict[str, float], row: Mapping[str, float]) -> dict[str, float]:
    """Replace values by those of a table that are known there."""
    known = {name: row[name] for name in values if math.isfinite(row.get(name, math.nan))}
    values = values | known
    if "lv_fac_percent" not in known and {"lv_area_ed_cm2", "lv_area_es_cm2"} & known.keys():
        change = 1 - values["lv_area_es_cm2"] / values["lv_area_ed_cm2"]
        values["lv_fac_percent"] = 100 * change
    return values


def score_cine(
    truth: Truth, segmentation: Segmentation, findings: Findings, spacing_mm: tuple[float, float]
) -> Scored:
    """Score a segmented cine in the frames that have a drawn mask."""
    found = truth.masks._replace(labels=segmentation.masks[list(truth.masks.frames)])
    return Scored(
        truth,
        compare_frames(segmentation.masks, truth.masks, spacing_mm),
        found,
        findings.phenotypes,
        findings.flags,
    )


def held_out_scores(
    segmenter: Segmenter, cines: Iterable[tuple[Cine, Masks]]
) -> list[dict[int, Overlap]]:
    """Segment cines with drawn masks, and return how each agrees, by label."""
    return [
        mean_overlaps(
            compare_frames(
                segment(segmenter, dataclasses.replace(cine, es_frame=None)).masks,
                masks,
                cine.spacing_mm,
            )
        )
        for cine, masks in cines
    ]


def report_scores(
    out: pathlib.Path,
    path: pathlib.Path,
    cines: Mapping[str, Scored],
    keep_flagged: bool,
    intervals: bool = False,
) -> Iterator[str]:
    """Write `scores.csv` and `bland_altman.png`, and yield what is to be printed, a line each.

    Args:
        out: Where to write.
        path: Where the truth is from.
        cines: All that were scored, by name.
        keep_flagged: Let flagged cines count in what is printed, except where it says otherwise.
        intervals: The areas have intervals to be judged.
    """
    flags = {name: cine.flags for name, cine in cines.items()}
    frames = {name: cine.frames for name, cine in cines.items()}
    write_scores(out / "scores.csv", frames, flags)
    pairs = {
        name: Pair(cine.measured, cine.truth.phenotypes, bool(cine.flags))
        for name, cine in cines.items()
    }
    plotted = plot_agreement(out / "bland_altman.png", list(pairs.values()), keep_flagged)
    kept = {name: cine for name, cine in cines.items() if keep_flagged or not cine.flags}
    if kept:
        scores = [
            compare(
                cine.found.labels, cine.measured, cine.truth.masks.labels, cine.truth.phenotypes
            )
            for cine in kept.values()
            if LV in cine.truth.masks.structures
        ]
        if scores:
            yield f"against {path}: {mean(scores)}"
        yield from describe_overlaps([mean_overlaps(frames[name]) for name in kept])
        yield from describe_agreement([pairs[name] for name in kept])
        if intervals:
            rows = [(cine.measured, cine.truth.phenotypes) for cine in kept.values()]
            yield describe_coverage(rows)
    else:
        yield f"against {path}: all {len(cines)} cines are flagged; --keep-flagged scores them"
    if missing := _not_drawn(list(cines.values())):
        yield f"not scored, as no mask has them: {', '.join(missing)}"
    if line := describe_poor(frames, flags):
        yield line
    count = sum(map(len, frames.values()))
    yield f"{count} frames in {out / 'scores.csv'}" + (
        f", plots in {out / 'bland_altman.png'}" if plotted else ""
    )


def _not_drawn(cines: Sequence[Scored]) -> list[str]:
    drawn = {label for cine in cines for label in cine.truth.masks.structures}
    return [name for label, name in STRUCTURES.items() if label not in drawn]
