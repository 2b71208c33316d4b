"""How masks agree with masks that were drawn: by frame, by cine, and as a table.

Hausdorff distances are those between outlines (Huttenlocher et al., IEEE PAMI 1993): of the pixels
at the edge of each region, the largest distance to the nearest edge pixel of the other region, in
either direction; `hausdorff95` takes the 95th percentile of each direction's distances instead of
the largest, and the larger of the two.
"""

import math
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy.ndimage
from jaxtyping import Bool, UInt8

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.masks import STRUCTURES, Masks
from gancmri_jax.physiology.score import dice
from gancmri_jax.segmentation.whole import LV
from gancmri_jax.tables import Cell, rounded, write_table

POOR = 0.8  # LV Dice of a frame below which its cine should be flagged


class Overlap(NamedTuple):
    """How one region agrees with another; distances are NaN where one is empty or mm unknown."""

    dice: float
    hausdorff_mm: float
    hausdorff95_mm: float


class FrameAgreement(NamedTuple):
    """How a frame's mask agrees with the drawn one.

    Attributes:
        frame: Which frame.
        phase: `ED`, `ES`, or empty for another one.
        overlaps: By label, those of the structures that were drawn in the cine.
        lv_cm2: The LV's area by its pixels, NaN where spacing is unknown or no LV was drawn.
        true_lv_cm2: The same of the drawn LV.
    """

    frame: int
    phase: str
    overlaps: dict[int, Overlap]
    lv_cm2: float
    true_lv_cm2: float


def overlap(
    a: Bool[np.ndarray, "h w"], b: Bool[np.ndarray, "h w"], spacing_mm: tuple[float, float]
) -> Overlap:
    """Compare two regions of one frame: Dice 0 where one alone is empty, 1 where both are."""
    if not a.any() or not b.any() or math.isnan(spacing_mm[0]):
        return Overlap(dice(a, b), math.nan, math.nan)
    edges = _edge(a), _edge(b)
    there = [np.flatnonzero((edges[0] | edges[1]).any(axis=axis)) for axis in (1, 0)]
    box = tuple(slice(at[0], at[-1] + 1) for at in there)
    a_edge, b_edge = (edge[box] for edge in edges)
    far = [
        scipy.ndimage.distance_transform_edt(~to, sampling=spacing_mm)[of]
        for of, to in ((a_edge, b_edge), (b_edge, a_edge))
    ]
    largest = max(float(way.max()) for way in far)
    return Overlap(dice(a, b), largest, max(float(np.percentile(way, 95)) for way in far))


def _edge(region: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    return region & ~scipy.ndimage.binary_erosion(region)


def compare_frames(
    masks: UInt8[np.ndarray, "t h w"], truth: Masks, spacing_mm: tuple[float, float]
) -> list[FrameAgreement]:
    """Compare a cine's masks with those that were drawn, frame by frame."""
    pixel_cm2 = math.prod(spacing_mm) / 100 if LV in truth.structures else math.nan
    phases = {truth.ed_frame: "ED", truth.es_frame: "ES"}
    return [
        FrameAgreement(
            frame,
            phases.get(frame, ""),
            {
                label: overlap(masks[frame] == label, drawn == label, spacing_mm)
                for label in truth.structures
            },
            int((masks[frame] == LV).sum()) * pixel_cm2,
            int((drawn == LV).sum()) * pixel_cm2,
        )
        for frame, drawn in zip(truth.frames, truth.labels, strict=True)
    ]


def true_phenotypes(truth: Masks, spacing_mm: tuple[float, float]) -> dict[str, float]:
    """Return the LV's areas and fractional area change by drawn masks; NaN for what is not known.

    The sphericity index is not measured on pixels.
    """
    unit = math.prod(spacing_mm) / 100 if LV in truth.structures else math.nan
    areas = dict(zip(truth.frames, (truth.labels == LV).sum(axis=(1, 2)).tolist(), strict=True))

    def area(frame: int | None) -> float:
        return math.nan if frame is None else areas[frame] or math.nan

    ed, es = area(truth.ed_frame), area(truth.es_frame)
    return {
        "lv_area_ed_cm2": ed * unit,
        "lv_area_es_cm2": es * unit,
        "lv_fac_percent": 100 * (1 - es / ed) if LV in truth.structures else math.nan,
        "sphericity_index": math.nan,
    }


def mean_overlaps(frames: Iterable[FrameAgreement]) -> dict[int, Overlap]:
    """Average a cine's frames, by label; distances over frames that have them."""
    gathered: dict[int, list[Overlap]] = {}
    for agreement in frames:
        for label, one in agreement.overlaps.items():
            gathered.setdefault(label, []).append(one)
    return {
        label: Overlap(*map(_mean, zip(*values, strict=True)))
        for label, values in sorted(gathered.items())
    }


def describe_overlaps(cines: Sequence[Mapping[int, Overlap]]) -> list[str]:
    """Say how each structure agrees, a line each, over cines by their means over frames."""
    lines = []
    for label, name in STRUCTURES.items():
        if not (values := [cine[label] for cine in cines if label in cine]):
            continue
        dices = [value.dice for value in values]
        line = f"{name}: Dice mean {np.mean(dices):.3f}, median {np.median(dices):.3f}"
        line += f", worst tenth {np.quantile(dices, 0.1):.3f}" if len(values) >= 10 else ""
        whole, most = _mean(v.hausdorff_mm for v in values), _mean(v.hausdorff95_mm for v in values)
        if not math.isnan(whole):
            line += f"; Hausdorff {whole:.1f} mm, 95th percentile {most:.1f} mm"
        lines.append(f"{line} ({len(values)} {'cine' if len(values) == 1 else 'cines'})")
    return lines


def describe_poor(
    cines: Mapping[str, Sequence[FrameAgreement]], flags: Mapping[str, str]
) -> str | None:
    """Say which share of the frames whose LV is poorly found lie in flagged cines.

    Args:
        cines: All cines, flagged ones too, by name.
        flags: Of each, empty where there is none.

    Returns:
        None where no LV was drawn.
    """
    found = [
        (flags[name], agreement.overlaps[LV].dice)
        for name, frames in cines.items()
        for agreement in frames
        if LV in agreement.overlaps
    ]
    if not found:
        return None
    poor = [flag for flag, value in found if value < POOR]
    line = f"LV Dice below {POOR} in {len(poor)} of {len(found)} frames, flagged cines included"
    if poor:
        caught = sum(bool(flag) for flag in poor)
        line += f"; {caught} of the {len(poor)} ({caught / len(poor):.0%}) lie in flagged cines"
    return line


def write_scores(
    path: pathlib.Path,
    cines: Mapping[str, Sequence[FrameAgreement]],
    flags: Mapping[str, str],
) -> None:
    """Write a table with a row for each frame that has a drawn mask; what is not known is empty."""
    columns = ["subject", "frame", "phase", "flags"]
    for name in STRUCTURES.values():
        columns += [f"{name.lower()}_{measure}" for measure in Overlap._fields]
    columns += ["lv_area_cm2", "lv_area_true_cm2"]
    rows: list[list[Cell]] = []
    unknown = Overlap(math.nan, math.nan, math.nan)
    for subject, frames in cines.items():
        for one in frames:
            values = [x for k in STRUCTURES for x in one.overlaps.get(k, unknown)]
            values += [one.lv_cm2, one.true_lv_cm2]
            numbers = [None if math.isnan(value) else rounded(value) for value in values]
            rows.append([subject, one.frame, one.phase, flags[subject], *numbers])
    with atomic_write(path) as part:
        write_table(part, columns, rows)


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan
