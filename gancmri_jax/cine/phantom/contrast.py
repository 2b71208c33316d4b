"""Contrast: how bright each tissue is in balanced steady-state free precession (bSSFP) at 1.5 T."""

import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gancmri_jax.cine.phantom.anatomy import Subject
from gancmri_jax.cine.phantom.shapes import Field

FLIP_DEGREES = 50.0

# Proton density (blood 1), T1 ms, T2 ms. Blood, myocardium, muscle and liver: Stanisz et al.,
# Magn Reson Med 2005; the others are handbook values.
TISSUES = {
    "blood": (1.00, 1441, 290),
    "myocardium": (0.90, 1030, 40),
    "muscle": (0.80, 1008, 44),
    "liver": (0.85, 576, 46),
    "fat": (0.80, 290, 90),
    "marrow": (0.45, 550, 55),
    "bone": (0.12, 1000, 20),
    "fluid": (1.00, 4000, 1500),  # spinal
    "lung": (0.12, 1200, 40),
    "air": (0.0, 1000, 100),
}


def bssfp_signal(proton_density: float, t1_ms: float, t2_ms: float) -> float:
    """Return the steady-state magnitude for a repetition time far below T1 and T2.

    M0 sin α / (1 + cos α + (1 − cos α) T1/T2), Scheffler and Lehnhardt, Eur Radiol 2003.
    """
    alpha = math.radians(FLIP_DEGREES)
    return (
        proton_density
        * math.sin(alpha)
        / (1 + math.cos(alpha) + (1 - math.cos(alpha)) * t1_ms / t2_ms)
    )


_BLOOD = bssfp_signal(*TISSUES["blood"])
Signals = Mapping[str, float | Float[Array, ""]]  # of each tissue, in multiples of blood's
SIGNAL = {tissue: bssfp_signal(*values) / _BLOOD for tissue, values in TISSUES.items()}


def signals(subject: Subject) -> Signals:
    """Return each tissue's signal as a subject's scanner shows it."""
    if subject.imaging is None:
        return SIGNAL
    return {
        tissue: SIGNAL[tissue] * factor
        for tissue, factor in zip(TISSUES, subject.imaging.tissues, strict=True)
    }


def texture(
    subject: Subject,
    s: Field,
    r: Field,
    wavelength_mm: float,
    drift: Float[Array, ""] | float = 0.0,
    first: int = 0,
) -> Field:
    """Sum a subject's plane waves: a smooth random pattern of unit variance.

    Args:
        subject: Whose waves.
        s: Position along, in millimetres (or in anything that moves with the tissue).
        r: Position across.
        wavelength_mm: The middle of the waves' lengths.
        drift: Phase of the beat; each wave runs on by a whole number of lengths in a beat, so
            the pattern moves and closes.
        first: With which wave to begin, so that several textures differ.
    """
    heading, stretch, start, laps = jnp.roll(subject.waves, first, axis=0).T  # each [wave]
    k = 2 * jnp.pi / (wavelength_mm * (0.6 + 0.9 * stretch))
    angle = 2 * jnp.pi * (heading + 0.618 * first)
    turns = jnp.round(1 + 2 * laps)
    waves = (
        k * jnp.cos(angle),
        k * jnp.sin(angle),
        2 * jnp.pi * (start + 0.618 * first + turns * drift),
    )

    def add(total: Field, wave: tuple[Array, Array, Array]) -> tuple[Field, None]:
        by_s, by_r, offset = wave
        return total + jnp.cos(by_s * s + by_r * r + offset), None

    total, _ = jax.lax.scan(add, jnp.zeros_like(s), waves)
    return total * math.sqrt(2 / len(heading))
