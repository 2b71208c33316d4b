"""Motion: where every moving part of a heart is at a given fraction of the beat.

Left ventricular volume falls in systole and returns by early filling, diastasis and atrial kick;
all else follows from it: the annuli descend, the wall thickens so that the myocardium keeps its
volume, the atria fill while the ventricles empty.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gancmri_jax.cine.phantom.anatomy import Rhythm, Subject

ISOVOLUMIC_CONTRACTION_MS = 45.0
ISOVOLUMIC_RELAXATION_MS = 70.0
EARLY_FILLING_MS = 190.0
ATRIAL_KICK_MS = 130.0
PROTODIASTOLE = 0.02  # of the stroke volume, regained in isovolumic relaxation: ES is one instant
APEX_WALL = 0.6  # thickness of the wall at the apex, of that elsewhere


class Pose(NamedTuple):
    """A heart at one instant: scalars in millimetres, or fractions of 1."""

    phase: Float[Array, ""]  # of the beat, in [0, 1)
    ejected: Float[Array, ""]  # of the stroke volume
    reservoir: Float[Array, ""]  # of the atria's excursion: 0 smallest, 1 fullest
    length: Float[Array, ""]
    half_width: Float[Array, ""]
    wall: Float[Array, ""]
    tricuspid_septal: Float[Array, ""]
    tricuspid_lateral: Float[Array, ""]
    rv_reach: Float[Array, ""]
    swing_degrees: Float[Array, ""]
    valves_open: Float[Array, ""]
    inflow: Float[Array, ""]
    outflow: Float[Array, ""]


def pose(subject: Subject, phase: Float[Array, ""]) -> Pose:
    """Place every moving part at a fraction of the beat; phase 1 is phase 0."""
    phase = phase % 1.0
    beat_ms = 60_000 / subject.heart_rate_bpm
    if subject.rhythm is None:
        times = _times(subject, beat_ms)
        early_filling, atrial_kick = subject.early_filling, subject.atrial_kick
    else:
        times = _times_of(subject.rhythm, beat_ms)
        # Without a kick, early filling and diastasis fill the ventricle.
        atrial_kick = subject.rhythm.kick * subject.atrial_kick
        early_filling = subject.early_filling + 0.6 * (subject.atrial_kick - atrial_kick)
    contracted, ejection, relaxation, filling, kick, kicking = times
    relaxed = contracted + ejection + relaxation

    out = _ramp(phase, contracted, ejection)
    proto = _ramp(phase, contracted + ejection, relaxation)
    early = _ramp(phase, relaxed, filling)
    late = _ramp(phase, kick, kicking)
    slow = _ramp(phase, relaxed, 1 - relaxed)
    in_diastasis = 1 - PROTODIASTOLE - early_filling - atrial_kick
    ejected = (
        out
        - PROTODIASTOLE * proto
        - early_filling * early
        - in_diastasis * slow
        - atrial_kick * late
    )
    if subject.rhythm is None:
        reservoir = out - 0.50 * early - 0.10 * slow - 0.40 * late
    else:
        pumped = 0.40 * subject.rhythm.kick
        # Fibrillating atria fill and empty less.
        excursion = 0.55 + 0.45 * subject.rhythm.kick
        reservoir = excursion * (
            out - 0.50 * early - (0.50 - pumped) * slow - pumped * late
        ) + 0.5 * (1 - excursion)

    length = subject.length_mm * (1 - subject.shortening * ejected)
    # Volume is half_width² · length times a constant (see `measure`), so EF fixes the width.
    half_width = subject.half_width_mm * jnp.sqrt(
        (1 - subject.ef * ejected) / (1 - subject.shortening * ejected)
    )
    wall = _wall(subject, length, half_width)
    septal_ed = subject.length_mm + APEX_WALL * subject.wall_mm - 5.0
    opening = _bump(phase, relaxed, filling)
    closing = _bump(phase, kick, kicking)
    if subject.rhythm is not None:
        closing *= subject.rhythm.kick
    return Pose(
        phase=phase,
        ejected=ejected,
        reservoir=reservoir,
        length=length,
        half_width=half_width,
        wall=wall,
        tricuspid_septal=length + APEX_WALL * wall - 5.0,
        tricuspid_lateral=septal_ed + subject.tricuspid_tilt_mm - subject.tapse_mm * ejected,
        rv_reach=subject.rv_reach_mm * (1 - 0.13 * ejected),
        swing_degrees=2.0 * ejected,
        valves_open=jnp.clip(0.35 * (early - late) + 0.9 * opening + 0.6 * closing, 0, 1),
        inflow=opening + 0.6 * closing,
        outflow=_bump(phase, contracted, ejection),
    )


def es_phase(subject: Subject) -> Float[Array, ""]:
    """Return when in the beat the left ventricle is smallest."""
    if subject.rhythm is not None:
        return subject.rhythm.es_phase
    contraction, ejection, *_ = _times(subject, 60_000 / subject.heart_rate_bpm)
    return contraction + ejection


Times = tuple[Float[Array, ""], ...]


def _times(subject: Subject, beat_ms: Float[Array, ""]) -> Times:
    """Return fractions of a beat: contraction, ejection, relaxation, filling, kick's start, kick.

    Ejection time by heart rate: Weissler et al., Circulation 1968.
    """
    ejection = (413 - 1.7 * subject.heart_rate_bpm) / beat_ms
    return (
        ISOVOLUMIC_CONTRACTION_MS / beat_ms,
        ejection,
        ISOVOLUMIC_RELAXATION_MS / beat_ms,
        EARLY_FILLING_MS / beat_ms,
        1 - (ATRIAL_KICK_MS + 10) / beat_ms,
        ATRIAL_KICK_MS / beat_ms,
    )


def _times_of(rhythm: Rhythm, beat_ms: Float[Array, ""]) -> Times:
    """Return the same where ES is given: a short diastole shortens what happens in it."""
    diastole = 1 - rhythm.es_phase
    contraction = jnp.minimum(ISOVOLUMIC_CONTRACTION_MS / beat_ms, 0.25 * rhythm.es_phase)
    kicking = jnp.minimum(ATRIAL_KICK_MS / beat_ms, 0.30 * diastole)
    return (
        contraction,
        rhythm.es_phase - contraction,
        jnp.minimum(ISOVOLUMIC_RELAXATION_MS / beat_ms, 0.15 * diastole),
        jnp.minimum(EARLY_FILLING_MS / beat_ms, 0.45 * diastole),
        1 - jnp.minimum((ATRIAL_KICK_MS + 10) / beat_ms, 0.32 * diastole),
        kicking,
    )


def _wall(
    subject: Subject, length: Float[Array, ""], half_width: Float[Array, ""]
) -> Float[Array, ""]:
    """Return the thickness that keeps the myocardium's volume what it is at ED."""

    def outer(b: Float[Array, ""], long: Float[Array, ""], t: Float[Array, ""]):
        return (b + t) ** 2 * (long + APEX_WALL * t)

    def myocardium(b: Float[Array, ""], long: Float[Array, ""], t: Float[Array, ""]):
        return outer(b, long, t) - b**2 * long

    at_ed = myocardium(subject.half_width_mm, subject.length_mm, subject.wall_mm)
    wall = subject.wall_mm
    for _ in range(5):  # Newton's steps; convex, so they close in from one side
        miss = myocardium(half_width, length, wall) - at_ed
        wall = wall - miss / jax.grad(outer, argnums=2)(half_width, length, wall)
    return wall


def _ramp(
    phase: Float[Array, ""], start: Float[Array, ""], duration: Float[Array, ""]
) -> Float[Array, ""]:
    """Rise from 0 to 1 with level ends."""
    t = jnp.clip((phase - start) / duration, 0, 1)
    return t * t * (3 - 2 * t)


def _bump(
    phase: Float[Array, ""], start: Float[Array, ""], duration: Float[Array, ""]
) -> Float[Array, ""]:
    """Rise from 0 to 1 and fall back: the ramp's speed, scaled."""
    t = jnp.clip((phase - start) / duration, 0, 1)
    return 4 * t * (1 - t)
