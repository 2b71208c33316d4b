"""What follows from targets, by arithmetic, and which cannot be met together.

EF and FAC are tied by how the ventricle shortens, volumes and areas by its shape, ED and ES by EF.
"""

from collections.abc import Mapping

from gancmri_jax.errors import InputError
from gancmri_jax.physiology.quantities import (
    INDEPENDENT,
    QUANTITIES,
    TYPICAL_SPHERICITY,
    Range,
    Target,
    fac_percent,
    lv_area_cm2,
    lv_volume_ml,
)

_POINTS = 4.0  # by which EF and FAC of a heart miss the arithmetic at most, from phantoms
_SHAPE = 1.1  # factor by which an area may miss that of a volume


def follows(asked: Mapping[str, Range]) -> dict[str, Range]:
    """Return what follows for the independent quantities from EF, the ES area and volumes.

    Args:
        asked: Ranges by name of `QUANTITIES`.
    """
    known = dict(asked)
    if "lv_edv_ml" not in known and {"lv_esv_ml", "ef_percent"} <= known.keys():
        (low, high), (least, most) = known["lv_esv_ml"], known["ef_percent"]
        known["lv_edv_ml"] = low / (1 - least / 100), high / (1 - most / 100)
    if "ef_percent" not in known and {"lv_edv_ml", "lv_esv_ml"} <= known.keys():
        known["ef_percent"] = _lost(known["lv_edv_ml"], known["lv_esv_ml"])
    if "lv_fac_percent" not in known:
        if {"lv_area_ed_cm2", "lv_area_es_cm2"} <= known.keys():
            known["lv_fac_percent"] = _lost(known["lv_area_ed_cm2"], known["lv_area_es_cm2"])
        elif "ef_percent" in known:
            low, high = known["ef_percent"]
            known["lv_fac_percent"] = fac_percent(low), fac_percent(high)
    if "lv_area_ed_cm2" not in known:
        if "lv_edv_ml" in known:
            shape = known.get("sphericity_index", (TYPICAL_SPHERICITY,) * 2)
            low, high = known["lv_edv_ml"]
            known["lv_area_ed_cm2"] = lv_area_cm2(low, shape[1]), lv_area_cm2(high, shape[0])
        elif {"lv_area_es_cm2", "lv_fac_percent"} <= known.keys():
            (low, high), (least, most) = known["lv_area_es_cm2"], known["lv_fac_percent"]
            known["lv_area_ed_cm2"] = low / (1 - least / 100), high / (1 - most / 100)
    return {
        name: (min(known[name]), max(known[name]))
        for name in INDEPENDENT
        if name in known and name not in asked
    }


def without_contradictions(found: dict[str, Target]) -> dict[str, Target]:
    """Check targets of different quantities against each other; typical ones give way.

    Raises:
        InputError: Two cannot be met together.
    """
    kept = {name: wish for name, wish in found.items() if not (wish.change or wish.typical)}
    _check({name: (wish.low, wish.high) for name, wish in kept.items()}, kept)
    left = dict(found)
    for name, wish in found.items():
        if wish.typical and not wish.change:
            ranges = {n: (w.low, w.high) for n, w in [*kept.items(), (name, wish)]}
            try:
                _check(ranges, {**kept, name: wish})
            except InputError:
                del left[name]
    return left


def _check(ranges: dict[str, Range], wishes: Mapping[str, Target]) -> None:
    def refuse(*names: str) -> InputError:
        *first, last = (wishes[name].quoted for name in names)
        verb = "contradict" if len(first) > 1 else "contradicts"
        return InputError(f"prompt: {' and '.join(first)} {verb} {last}")

    for ed, es in (("lv_edv_ml", "lv_esv_ml"), ("lv_area_ed_cm2", "lv_area_es_cm2")):
        if {ed, es} <= ranges.keys() and ranges[es][0] >= ranges[ed][1]:
            raise refuse(es, ed)
    for parts, whole in (
        (("lv_edv_ml", "lv_esv_ml"), "ef_percent"),
        (("lv_area_ed_cm2", "lv_area_es_cm2"), "lv_fac_percent"),
        (("ef_percent",), "lv_fac_percent"),
        (("lv_edv_ml", "lv_esv_ml"), "lv_fac_percent"),
        (("lv_area_ed_cm2", "lv_area_es_cm2"), "ef_percent"),
    ):
        if {*parts, whole} <= ranges.keys():
            implied = _implied({part: ranges[part] for part in parts}, whole)
            if _apart(implied, ranges[whole], _POINTS):
                raise refuse(*parts, whole)
    if {"lv_edv_ml", "lv_area_ed_cm2"} <= ranges.keys():
        quantity = QUANTITIES["sphericity_index"]
        shape = ranges.get("sphericity_index", quantity.span)
        low, high = ranges["lv_area_ed_cm2"]
        implied = (
            lv_volume_ml(low / _SHAPE, shape[0]),
            lv_volume_ml(high * _SHAPE, shape[1]),
        )
        if _apart(implied, ranges["lv_edv_ml"], 0.0):
            raise refuse("lv_edv_ml", "lv_area_ed_cm2")


def _implied(parts: dict[str, Range], whole: str) -> Range:
    """Return FAC or EF by `parts`; of areas, EF by the arithmetic turned round."""
    if whole == "ef_percent" and "lv_area_ed_cm2" in parts:
        low, high = _lost(*parts.values())
        return _ef_percent(low), _ef_percent(high)
    if whole == "ef_percent":
        return _lost(*parts.values())
    return follows(parts)[whole]


def _ef_percent(fac: float) -> float:
    """Return the EF that goes with a FAC, by bisection of `fac_percent`, which rises."""
    low, high = 0.0, 99.9
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if fac_percent(middle) < fac else (low, middle)
    return low


def _lost(before: Range, after: Range) -> Range:
    """Return by how many percent something shrinks, of ranges."""
    return 100 * (1 - after[1] / before[0]), 100 * (1 - after[0] / before[1])


def _apart(one: Range, other: Range, margin: float) -> bool:
    return one[0] > other[1] + margin or one[1] < other[0] - margin
