"""Clinical hearts: hypertrophy, infarcts, dilation, fibrillation, at any heart rate and time of ES.

Distributions are wider and more even than those of patients, so that every kind is met often, and
heart rate, time of ES and rhythm are drawn apart, so that they can be told apart. Thresholds:
hypertrophic cardiomyopathy from 15 mm of wall (Elliott et al., Eur Heart J 2014), thinned infarcts
up to 5.5 mm (Shah et al., JAMA 2013); `docs/phantom.md` gives the sources of the others.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from gancmri_jax.cine.phantom.anatomy import UNIT_AREA, Disease, Rhythm, Subject
from gancmri_jax.cine.phantom.chance import Chance

HEART_RATE_BPM = (40.0, 150.0)  # log-uniform
ES_PHASE = (0.22, 0.58)  # uniform, whatever the heart rate


class Kind(NamedTuple):
    """A diagnosis: mean and standard deviation, or bounds of an even draw where it says so."""

    share: float  # of the population
    lv_area_ed_cm2: tuple[float, float]
    sphericity: tuple[float, float]
    ef: tuple[float, float]
    wall_mm: tuple[float, float]  # bounds
    rv: tuple[float, float]  # bounds of the factor of the RV's width
    la: tuple[float, float]  # … of the LA's depth and width
    ra: tuple[float, float]
    fibrillating: float  # share in atrial fibrillation


KINDS = {
    "normal": Kind(
        0.14,
        (30, 4.8),
        (0.54, 0.065),
        (0.58, 0.07),
        (7, 11),
        (0.9, 1.1),
        (0.9, 1.1),
        (0.9, 1.1),
        0.1,
    ),
    "hypertrophy": Kind(
        0.14,
        (26, 4.0),
        (0.52, 0.06),
        (0.62, 0.09),
        (12, 20),
        (0.9, 1.15),
        (1.0, 1.4),
        (0.9, 1.2),
        0.2,
    ),
    "hcm": Kind(
        0.16,
        (26, 4.0),
        (0.50, 0.06),
        (0.67, 0.07),
        (7, 13),
        (0.9, 1.1),
        (1.0, 1.45),
        (0.9, 1.2),
        0.2,
    ),
    "infarct": Kind(
        0.18,
        (35, 6.0),
        (0.58, 0.065),
        (0.50, 0.09),
        (6, 11),
        (0.9, 1.15),
        (0.95, 1.3),
        (0.9, 1.2),
        0.12,
    ),
    "dilated_lv": Kind(
        0.16,
        (48, 7.0),
        (0.66, 0.06),
        (0.28, 0.08),
        (4, 9),
        (0.9, 1.35),
        (1.0, 1.5),
        (0.9, 1.4),
        0.25,
    ),
    "dilated_rv": Kind(
        0.10,
        (26, 4.0),
        (0.50, 0.06),
        (0.55, 0.08),
        (6, 11),
        (1.35, 1.9),
        (0.9, 1.2),
        (1.1, 1.5),
        0.2,
    ),
    "dilated_atria": Kind(
        0.12,
        (30, 5.0),
        (0.55, 0.06),
        (0.54, 0.10),
        (6, 12),
        (0.9, 1.3),
        (1.3, 1.7),
        (1.2, 1.6),
        0.6,
    ),
}
DIAGNOSES = tuple(KINDS)
INFARCTS = {"apex": (-25.0, 25.0), "septum": (45.0, 85.0), "lateral wall": (-85.0, -45.0)}
SEPTUM_MM = (15.0, 24.0)  # thickest part of a septum in hypertrophic cardiomyopathy


@jax.jit
def draw_disease(key: PRNGKeyArray, subject: Subject) -> Subject:
    """Give a normal heart a diagnosis, a rhythm and a rate; its chest and textures stay."""
    chance = Chance(key)
    shares = tuple(kind.share for kind in KINDS.values())
    diagnosis = chance.one_of("diagnosis", shares)
    table = jnp.asarray([jnp.ravel(jnp.asarray(jax.tree.leaves(kind))) for kind in KINDS.values()])
    own = _unflatten(table[diagnosis])

    def normal(name: str, bounds: tuple[float, float]) -> Float[Array, ""]:
        return bounds[0] + bounds[1] * chance.normal(name, 0.0, 1.0)

    def even(name: str, bounds: tuple[float, float]) -> Float[Array, ""]:
        return bounds[0] + (bounds[1] - bounds[0]) * chance.uniform(name, 0, 1)

    area_cm2 = normal("area", own.lv_area_ed_cm2)
    sphericity = jnp.clip(normal("sphericity", own.sphericity), 0.38, 0.80)
    ef = jnp.clip(normal("ef", own.ef), 0.10, 0.80)
    wall_mm = even("wall", own.wall_mm)
    length_mm = jnp.sqrt(200 * area_cm2 / (sphericity * UNIT_AREA))
    half_width_mm = sphericity * length_mm / 2
    # The other chambers grow with a dilated LV, but less.
    grown = jnp.sqrt(area_cm2 / 30) ** 0.5
    size = jnp.clip(subject.size, 0.9, 1.1) * grown
    scale = size / subject.size
    rv_width = subject.rv_reach_mm - subject.half_width_mm - subject.wall_mm
    rv = even("rv", own.rv)

    hcm = diagnosis == DIAGNOSES.index("hcm")
    septum_mm = jnp.maximum(chance.uniform("septum", *SEPTUM_MM) - wall_mm, 4.0)
    septal_mm = jnp.where(hcm, septum_mm, 0.0)
    place = chance.one_of("infarct", (1.0,) * len(INFARCTS))
    low, high = jnp.asarray(list(INFARCTS.values())).T
    disease = Disease(
        diagnosis=diagnosis,
        septal_mm=septal_mm,
        septal_degrees=chance.uniform("septal at", 60, 105),
        septal_half_degrees=chance.uniform("septal wide", 28, 50),
        infarct=(diagnosis == DIAGNOSES.index("infarct")).astype(jnp.float32),
        infarct_degrees=low[place]
        + (high[place] - low[place]) * chance.uniform("infarct at", 0, 1),
        infarct_half_degrees=chance.uniform("infarct wide", 22, 45),
        infarct_wall_mm=chance.uniform("infarct wall", 3.0, 5.5),
    )
    fibrillating = chance.happens("fibrillation", own.fibrillating)
    slow, fast = map(math.log, HEART_RATE_BPM)
    rate = jnp.exp(chance.uniform("heart rate", slow, fast))
    la, ra = even("la", own.la), even("ra", own.ra)
    return subject._replace(
        length_mm=length_mm,
        half_width_mm=half_width_mm,
        wall_mm=wall_mm,
        ef=ef,
        shortening=jnp.clip(subject.shortening + 0.20 * (ef - subject.ef), 0.03, 0.25),
        heart_rate_bpm=rate,
        size=size,
        rv_reach_mm=half_width_mm + wall_mm + 0.4 * septal_mm + scale * rv * rv_width,
        tapse_mm=scale * subject.tapse_mm * (0.35 + 0.65 * jnp.minimum(ef / 0.58, 1.1)),
        la_depth_mm=scale * la * subject.la_depth_mm,
        la_half_width_mm=scale * la * subject.la_half_width_mm,
        ra_depth_mm=scale * ra * subject.ra_depth_mm,
        ra_fullness=ra * subject.ra_fullness,
        vein_mm=scale * subject.vein_mm,
        rhythm=Rhythm(
            es_phase=chance.uniform("es phase", *ES_PHASE),
            kick=1.0 - fibrillating.astype(jnp.float32),
        ),
        disease=disease,
    )


def infarct_place(degrees: float) -> str:
    """Name the part of the wall that a direction points to."""
    if abs(degrees) < 35:
        return "apex"
    return "septum" if degrees > 0 else "lateral wall"


def _unflatten(row: Float[Array, "number"]) -> Kind:
    """Turn a row of numbers into the fields of a `Kind`."""
    return jax.tree.unflatten(jax.tree.structure(KINDS["normal"]), list(row))
