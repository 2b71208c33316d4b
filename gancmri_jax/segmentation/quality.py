"""Where a segmentation is not to be trusted: flags, judged on the network's own masks.

A number is measured for each thing that a heart cannot do, and compared with a limit. Limits are
those that phantoms of the clinical population, correctly segmented, keep; `docs/segmentation.md`
says how they were set. Lengths are in shares of the heart's size, so that no spacing is needed.
"""

import math
from typing import NamedTuple

import numpy as np
import scipy.ndimage
from jaxtyping import Bool, Float, UInt8

from gancmri_jax.networks.cardiac_fcn import CLASSES
from gancmri_jax.segmentation.scale import HEART_RANGE_MM
from gancmri_jax.segmentation.segment import Segmentation
from gancmri_jax.segmentation.whole import LA, LV, MYOCARDIUM, RA, RV, heart_size

CHAMBERS = (LV, RV, LA, RA)
BEAT = 50  # parts of a beat that speeds are given for
LEAST_RANGE = 0.15  # of the LV's largest area: what a weak heart's noise is compared with
TOUCHING = 0.08  # of the heart's size, about 8 mm: chambers that touch are no farther apart
NEAR = 0.03  # of the heart's size, about 3 mm: half the gap between what is one heart
SMALLEST = 0.004  # of the heart's area: less of a class is none of it
FEWEST_FRAMES = 8  # of a curve that says how a heart beats
JUDGED_PIXELS = 128  # of a frame's longer side, about: masks are judged on no finer grid
BORDER_PIXELS = 2  # of a frame, which a whole LV does not reach

Limits = tuple[float, float]


class Flag(NamedTuple):
    """What is wrong: a short name for a table, and a reason of one line."""

    name: str
    reason: str


class Quality(NamedTuple):
    """What a segmentation was judged by.

    Attributes:
        flags: What is wrong, no name twice; none where all is well.
        measured: The numbers behind it, by name; what cannot be measured is left out.
    """

    flags: tuple[Flag, ...]
    measured: dict[str, float]


# Measured number: flag, limits, reason. The first that is broken gives a flag its reason.
RULES: dict[str, tuple[str, Limits, str]] = {
    "missing_percent": (
        "missing",
        (0, 5),
        "a chamber or the wall is missing in {:.0f} % of frames",
    ),
    "fac_percent": ("curve", (7, 80), "the LV's area changes by {:.0f} % in a beat"),
    "es_percent": ("curve", (17, 64), "the LV is smallest at {:.0f} % of the beat"),
    "second_minimum": ("curve", (0, 0.25), "the LV empties twice in a beat"),
    "fastest": ("curve", (0, 0.3), "the LV's area jumps by {:.0%} of its range in 2 % of a beat"),
    "not_opposite_percent": (
        "neighbours",
        (0, 10),
        "LV and RA, RV and LA do not lie across from each other in {:.0f} % of frames",
    ),
    "lv_off_la_percent": ("neighbours", (0, 10), "LV and LA do not touch in {:.0f} % of frames"),
    "rv_off_ra_percent": ("neighbours", (0, 10), "RV and RA do not touch in {:.0f} % of frames"),
    "no_septum_percent": (
        "neighbours",
        (0, 10),
        "no septum lies between LV and RV in {:.0f} % of frames",
    ),
    "lv_unwalled_percent": (
        "neighbours",
        (0, 15),
        "{:.0f} % of the LV's edge have neither wall nor LA beside them",
    ),
    "farthest_move": ("neighbours", (0, 0.2), "the {chamber} moves by {:.0%} of the heart's size"),
    "elsewhere_percent": (
        "pieces",
        (0, 50),
        "chambers elsewhere have {:.0f} % of the heart's area",
    ),
    "lv_outside_percent": ("pieces", (0, 5), "{:.0f} % of the LV lie apart from it"),
    "chamber_outside_percent": ("pieces", (0, 15), "{:.0f} % of the {chamber} lie apart from it"),
    "lv_at_border_percent": ("border", (0, 10), "the LV is cut off in {:.0f} % of frames"),
    "heart_mm": ("scale", HEART_RANGE_MM, "the heart measures {:.0f} mm; look at the spacing"),
    "confidence": ("unsure", (0.8, 1), "the network is sure of its classes by {:.0%} only"),
}


def judge(segmentation: Segmentation, spacing_mm: tuple[float, float], ed_frame: int) -> Quality:
    """Judge a segmentation by the network's own masks.

    Args:
        segmentation: From `segment`. One frame alone is judged by what it shows, without a beat.
        spacing_mm: Of the cine's pixels, NaN where it is not known: then size says nothing.
        ed_frame: Where the beat starts.
    """
    raw = segmentation.masks if segmentation.raw_masks is None else segmentation.raw_masks
    measured, chambers = measure_quality(raw, spacing_mm, ed_frame)
    if segmentation.confidence is not None and raw.any():
        measured["confidence"] = float(np.percentile(segmentation.confidence, 10))
    return Quality(broken_rules(measured, chambers), measured)


def broken_rules(
    measured: dict[str, float], chambers: dict[str, str] | None = None
) -> tuple[Flag, ...]:
    """Return a flag for each kind of rule that is broken, with the reason of the first of them.

    Args:
        measured: Numbers by the names in `RULES`.
        chambers: The chamber that a number is of, by the number's name.
    """
    flags: dict[str, Flag] = {}
    for name, (flag, (low, high), reason) in RULES.items():
        if name in measured and not low <= measured[name] <= high:
            chamber = (chambers or {}).get(name, "LV")
            flags.setdefault(flag, Flag(flag, reason.format(measured[name], chamber=chamber)))
    return tuple(flags.values())


def measure_quality(
    masks: UInt8[np.ndarray, "t h w"], spacing_mm: tuple[float, float], ed_frame: int
) -> tuple[dict[str, float], dict[str, str]]:
    """Measure what `RULES` compare with limits; which chamber a number is of, where it matters."""
    step = max(round(max(masks.shape[1:]) / JUDGED_PIXELS), 1)
    everything = masks[:, ::step, ::step]
    here = np.stack([_heart(mask) for mask in everything])
    coarse = everything * here
    sizes = np.array([heart_size(mask) for mask in coarse])
    areas = np.array([[(mask == label).sum() for label in range(6)] for mask in coarse])
    missing = np.any(areas[:, 1:] <= SMALLEST * sizes[:, None] ** 2, axis=1)
    measured = {"missing_percent": 100 * float(missing.mean())}
    chambers: dict[str, str] = {}
    if missing.all():
        return measured, chambers
    there, inside = (np.count_nonzero(mask, axis=(1, 2)) for mask in (everything, coarse))
    apart = (there - inside) / np.maximum(inside, 1)
    measured["elsewhere_percent"] = 100 * float(np.median(apart[~missing]))
    rows, columns = (np.arange(side) // step for side in masks.shape[1:])
    masks = np.where(here[:, rows][:, :, columns], masks, np.uint8(0))
    if len(masks) >= FEWEST_FRAMES and areas[:, LV].any():
        fine = (masks == LV).sum(axis=(1, 2)).astype(float)
        measured |= curve_quality(fine, ed_frame)
    whole = coarse[~missing]
    measured |= place_quality(whole)
    measured |= _outside(whole, chambers)
    if len(whole) > 1:
        measured |= _moves(whole, chambers)
    edge = np.pad(
        np.zeros(np.subtract(masks.shape[1:], 2 * BORDER_PIXELS), bool),
        BORDER_PIXELS,
        constant_values=True,
    )
    touching = np.any(masks[:, edge] == LV, axis=1)
    measured["lv_at_border_percent"] = 100 * float(np.mean(touching))
    if not math.isnan(spacing_mm[0]) and not missing[ed_frame]:
        measured["heart_mm"] = heart_size(masks[ed_frame]) * math.sqrt(math.prod(spacing_mm))
    return measured, chambers


def curve_quality(areas: Float[np.ndarray, "t"], ed_frame: int) -> dict[str, float]:
    """Measure a beat's LV areas, of any unit: how far they fall, when, how often, how fast.

    `second_minimum` is how deep the second deepest dent is, and `fastest` the largest change in a
    50th of the beat, both in shares of the range, which counts as no less than `LEAST_RANGE`.
    """
    largest, spread = areas.max(), np.ptp(areas)
    enough = max(spread, LEAST_RANGE * largest)
    depths = _dents(areas)
    apart = max(round(len(areas) / BEAT), 1)  # frames in a 50th of the beat
    change = np.abs(np.roll(areas, -apart) - areas).max()
    es_frame = int(areas.argmin())
    return {
        "fac_percent": 100 * float(spread / largest),
        "es_percent": 100 * ((es_frame - ed_frame) % len(areas)) / len(areas),
        "second_minimum": float(depths[1] / enough) if len(depths) > 1 else 0.0,
        "fastest": float(change / enough * len(areas) / (BEAT * apart)),
    }


def _dents(areas: Float[np.ndarray, "t"]) -> list[float]:
    """Return the depths of a closed curve's minima, the deepest first.

    A minimum is as deep as water stands in it before it runs over into a deeper one (topological
    persistence); the deepest is as deep as the range.
    """
    count = len(areas)
    filled: dict[int, int] = {}  # frame: the lowest frame of its basin
    depths: list[float] = []

    def basin(frame: int) -> int:
        while filled[frame] != frame:
            frame = filled[frame]
        return frame

    for frame in np.argsort(areas, kind="stable"):
        frame = int(frame)
        filled[frame] = frame
        for beside in ((frame - 1) % count, (frame + 1) % count):
            if beside in filled:
                low, high = sorted((basin(frame), basin(beside)), key=lambda f: (areas[f], f))
                if low != high:
                    depths.append(float(areas[frame] - areas[high]))
                    filled[high] = low
    return sorted([*(depth for depth in depths if depth > 0), float(np.ptp(areas))], reverse=True)


def place_quality(masks: UInt8[np.ndarray, "t h w"]) -> dict[str, float]:
    """Measure in how many frames chambers lie wrong; every frame has all classes."""
    wrong = {
        name: 0
        for name in (
            "not_opposite_percent",
            "lv_off_la_percent",
            "rv_off_ra_percent",
            "no_septum_percent",
        )
    }
    unwalled = []
    for mask in masks:
        mask = _around_heart(mask)
        size = heart_size(mask)
        main = {label: _largest(mask == label) for label in CHAMBERS}
        middle = {label: np.argwhere(region).mean(axis=0) for label, region in main.items()}
        from_lv, from_rv = (
            scipy.ndimage.distance_transform_edt(~main[label]) for label in (LV, RV)
        )
        wrong["not_opposite_percent"] += not _cross(*(middle[x] for x in (LV, RA, RV, LA)))
        wrong["lv_off_la_percent"] += bool(from_lv[main[LA]].min() > TOUCHING * size)
        wrong["rv_off_ra_percent"] += bool(from_rv[main[RA]].min() > TOUCHING * size)
        wrong["no_septum_percent"] += not _between(mask, middle[LV], middle[RV])
        ring = (from_lv > 0) & (from_lv < 2)
        unwalled.append(np.isin(mask[ring], (MYOCARDIUM, LA, LV), invert=True).mean())
    shares: dict[str, float] = {name: 100 * count / len(masks) for name, count in wrong.items()}
    return {**shares, "lv_unwalled_percent": 100 * float(np.median(unwalled))}


def _outside(masks: UInt8[np.ndarray, "t h w"], chambers: dict[str, str]) -> dict[str, float]:
    """Measure how much of each chamber lies outside of its largest piece."""
    shares = {}
    for label in CHAMBERS:
        apart = [1 - _largest(mask == label).sum() / (mask == label).sum() for mask in masks]
        shares[label] = 100 * float(np.percentile(apart, 90 if label == LV else 50))
    worst = max((RV, LA, RA), key=shares.__getitem__)
    chambers["chamber_outside_percent"] = CLASSES[worst]
    return {"lv_outside_percent": shares[LV], "chamber_outside_percent": shares[worst]}


def _moves(masks: UInt8[np.ndarray, "t h w"], chambers: dict[str, str]) -> dict[str, float]:
    """Measure how far chambers' middles get from where they mostly are, in the heart's size."""
    size = float(np.median([heart_size(mask) for mask in masks]))
    farthest = {}
    for label in CHAMBERS:
        middles = np.array([np.argwhere(_largest(mask == label)).mean(axis=0) for mask in masks])
        away = np.linalg.norm(middles - np.median(middles, axis=0), axis=1)
        farthest[label] = float(away.max()) / size
    worst = max(farthest, key=farthest.__getitem__)
    chambers["farthest_move"] = CLASSES[worst]
    return {"farthest_move": farthest[worst]}


def _heart(mask: UInt8[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Return where the heart lies: the largest part of what is no background.

    Parts that almost touch are one. What lies elsewhere, an arm or a liver that was taken for a
    heart, is not measured with it.
    """
    there = mask > 0
    near = scipy.ndimage.binary_dilation(there, iterations=max(round(NEAR * heart_size(mask)), 1))
    pieces, count = scipy.ndimage.label(near)
    if count < 2:
        return near
    return np.asarray(pieces == 1 + np.bincount(pieces[there], minlength=count + 1)[1:].argmax())


def _around_heart(mask: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "H W"]:
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _largest(region: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    pieces, count = scipy.ndimage.label(region)
    if count < 2:
        return region
    return np.asarray(pieces == 1 + np.bincount(pieces.ravel())[1:].argmax())


def _between(
    mask: UInt8[np.ndarray, "h w"], a: Float[np.ndarray, "2"], b: Float[np.ndarray, "2"]
) -> bool:
    """Tell whether myocardium lies on the line between two points."""
    count = 2 * int(np.abs(b - a).max()) + 2
    rows, columns = np.round(np.linspace(a, b, count)).astype(int).T
    return bool((mask[rows, columns] == MYOCARDIUM).any())


def _cross(
    a: Float[np.ndarray, "2"],
    b: Float[np.ndarray, "2"],
    c: Float[np.ndarray, "2"],
    d: Float[np.ndarray, "2"],
) -> bool:
    """Tell whether the stretch from a to b crosses that from c to d."""

    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> float:
        return float((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
