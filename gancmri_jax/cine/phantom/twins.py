"""Twins: the same subject with one factor changed and everything else equal.

    heart = draw(key)
    later = twin(heart, es_phase=0.45)          # the same heart rate, EF, anatomy, chest, noise
    sicker = twin(heart, ef=0.35, wall_ed_mm=6.0)

A factor that is not listed here is a field of `Subject` or of its parts, and changes by `_replace`.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from gancmri_jax.cine.phantom.anatomy import UNIT_AREA, Rhythm, Subject
from gancmri_jax.cine.phantom.motion import es_phase

Number = float | Float[Array, ""]


def twin(subject: Subject, **changes: Number) -> Subject:
    """Return a subject that differs from another in the named factors alone.

    Args:
        subject: Who stays as they are; under `jax.vmap`, many.
        changes: New values by the names in `FACTORS`, made in that order.

    Raises:
        ValueError: No such factor.
    """
    if unknown := changes.keys() - FACTORS.keys():
        raise ValueError(f"no factor {min(unknown)!r}; there are {', '.join(FACTORS)}")
    for name, change in FACTORS.items():
        if name in changes:
            subject = change(subject, jnp.asarray(changes[name], jnp.float32))
    return subject


def with_rhythm(subject: Subject) -> Subject:
    """Give a subject its own time of ES and its kick as numbers, which no other factor moves."""
    if subject.rhythm is not None:
        return subject
    phase = jnp.asarray(es_phase(subject))
    return subject._replace(rhythm=Rhythm(es_phase=phase, kick=jnp.ones_like(phase)))


def _lv(subject: Subject, area_mm2: Number, sphericity: Number) -> Subject:
    """Reshape the LV at ED; the RV keeps its width, all other chambers their size."""
    length_mm = jnp.sqrt(2 * area_mm2 / (sphericity * UNIT_AREA))
    half_width_mm = sphericity * length_mm / 2
    moved_mm = half_width_mm - subject.half_width_mm
    return subject._replace(
        length_mm=length_mm,
        half_width_mm=half_width_mm,
        rv_reach_mm=subject.rv_reach_mm + moved_mm,
    )


def _area(subject: Subject, value: Array) -> Subject:
    return _lv(subject, 100 * value, 2 * subject.half_width_mm / subject.length_mm)


def _sphericity(subject: Subject, value: Array) -> Subject:
    return _lv(subject, subject.length_mm * subject.half_width_mm * UNIT_AREA, value)


def _wall(subject: Subject, value: Array) -> Subject:
    moved_mm = value - subject.wall_mm
    return subject._replace(wall_mm=value, rv_reach_mm=subject.rv_reach_mm + moved_mm)


def _fac(subject: Subject, value: Array) -> Subject:
    # (1 − FAC)² = (1 − EF)(1 − shortening): the same volume by another way of contracting.
    return subject._replace(shortening=1 - (1 - value) ** 2 / (1 - subject.ef))


def _heart_rate(subject: Subject, value: Array) -> Subject:
    return with_rhythm(subject)._replace(heart_rate_bpm=value)


def _rhythm(subject: Subject, **changes: Array) -> Subject:
    subject = with_rhythm(subject)
    assert subject.rhythm is not None
    return subject._replace(rhythm=subject.rhythm._replace(**changes))


FACTORS: dict[str, Callable[[Subject, Array], Subject]] = {
    "lv_area_ed_cm2": _area,
    "sphericity": _sphericity,  # twice the half width over the length
    "wall_ed_mm": _wall,
    "ef": lambda subject, value: subject._replace(ef=value),  # shortening stays
    "lv_fac": _fac,  # of an even wall, 0 to 1; EF stays
    "heart_rate_bpm": _heart_rate,  # the phase of ES stays
    "es_phase": lambda subject, value: _rhythm(subject, es_phase=value),
    "kick": lambda subject, value: _rhythm(subject, kick=value),  # 0 is atrial fibrillation
    "la_size": lambda subject, value: subject._replace(  # a factor
        la_depth_mm=value * subject.la_depth_mm, la_half_width_mm=value * subject.la_half_width_mm
    ),
    "ra_size": lambda subject, value: subject._replace(
        ra_depth_mm=value * subject.ra_depth_mm, ra_fullness=value * subject.ra_fullness
    ),
    "rv_reach_mm": lambda subject, value: subject._replace(rv_reach_mm=value),
}
