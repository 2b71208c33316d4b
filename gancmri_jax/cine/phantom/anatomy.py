"""Anatomy: one subject's numbers, drawn from documented, correlated distributions."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

# Physiology: mean and standard deviation, of the order of the UK Biobank reference ranges
# (Petersen et al., J Cardiovasc Magn Reson 2017). Draws further than TRUNCATE_SD from the mean
# are pulled in to it, so that no heart is impossible.
PHYSIOLOGY = {
    "lv_area_ed_cm2": (30.0, 4.8),
    "sphericity": (0.54, 0.065),
    "ef": (0.58, 0.07),
    "wall_ed_mm": (8.6, 1.4),
    "heart_rate_bpm": (65.0, 9.5),
    "habitus": (0.0, 1.0),  # standard scores of body size: chest, fat, where the heart lies
}
CORRELATIONS = {
    ("lv_area_ed_cm2", "sphericity"): 0.10,
    ("lv_area_ed_cm2", "ef"): -0.30,
    ("lv_area_ed_cm2", "wall_ed_mm"): 0.15,
    ("lv_area_ed_cm2", "heart_rate_bpm"): -0.25,
    ("sphericity", "ef"): -0.25,
    ("wall_ed_mm", "habitus"): 0.35,
    ("lv_area_ed_cm2", "habitus"): 0.20,
    ("heart_rate_bpm", "habitus"): 0.15,
}
TRUNCATE_SD = 2.3

# What varies on its own. The chambers are those of a heart of the mean LV area; they scale with it.
ANATOMY = {
    "bend": (0.15, 0.15),
    "mitral_tilt": (0.0, 0.03),
    "shortening": (0.16, 0.012),  # of the LV's length, at the mean EF
    "early_filling": (0.60, 0.07),  # of the stroke volume
    "atrial_kick": (0.24, 0.04),  # of the stroke volume
    "rv_reach_mm": (70.0, 4.0),  # from the LV's axis to the lateral tricuspid annulus
    "rv_apex": (0.10, 0.03),  # how far from the LV's apex, in lengths of the LV
    "tapse_mm": (20.0, 2.0),
    "tricuspid_tilt_mm": (3.0, 4.0),
    "la_depth_mm": (43.0, 4.0),
    "la_half_width_mm": (28.0, 2.2),
    "ra_depth_mm": (41.0, 4.0),
    "ra_fullness": (1.0, 0.06),
    "vein_mm": (0.0, 6.0),
    "papillary": (1.0, 0.25),
    "trabeculation": (1.0, 0.25),
    "log_epicardial_fat": (1.15, 0.25),
    "axis_degrees": (46.0, 7.5),
    "heart_right_mm": (0.0, 5.0),
    "heart_down_mm": (0.0, 5.0),
    "chest_right_mm": (0.0, 5.0),
    "chest_down_mm": (0.0, 5.0),
    "log_subcutaneous_fat": (2.25, 0.22),
    "liver": (0.0, 1.0),
    "aorta_mm": (11.5, 1.2),
    "log_coil_anterior": (0.0, 0.2),
    "coil_side": (0.0, 1.0),
    "log_noise": (0.0, 0.25),
    "fov_mm": (274.0, 4.0),
}

# The left ventricle in units of its length (from the endocardial apex) and half width: widest at
# EQUATOR, and narrowed at the mitral annulus to ANNULUS of its half width.
EQUATOR = 0.60
ANNULUS = 0.76
NUM_WAVES = 10  # plane waves in each of a subject's textures
NUM_VESSELS = 14  # vessels seen in the lungs


class Rhythm(NamedTuple):
    """When the left ventricle is smallest, whatever the heart rate, and whether the atria kick."""

    es_phase: Float[Array, ""]  # of the beat
    kick: Float[Array, ""]  # 1 in sinus rhythm, 0 in atrial fibrillation


class Disease(NamedTuple):
    """Where the left ventricle's wall differs from the even one; angles as in `heart.towards`."""

    diagnosis: Int[Array, ""]  # index into `clinical.DIAGNOSES`
    septal_mm: Float[Array, ""]  # thickness added at ED in the middle of an asymmetric part
    septal_degrees: Float[Array, ""]  # where that middle is: 0 the apex, 90 the septum
    septal_half_degrees: Float[Array, ""]  # half of its width
    infarct: Float[Array, ""]  # 1 where there is one, 0 without
    infarct_degrees: Float[Array, ""]
    infarct_half_degrees: Float[Array, ""]
    infarct_wall_mm: Float[Array, ""]


class Imaging(NamedTuple):
    """How a scanner sees the subject, and what lies around the heart; see `wide.draw_imaging`."""

    # The frame: display millimetres to the subject's.
    rotation_degrees: Float[Array, ""]
    mirrored: Bool[Array, ""]
    centre_mm: Float[Array, "xy=2"]  # what lies in the middle of the frame
    aspect: Float[Array, "xy=2"]  # of the frame that is acquired; beyond it is nothing
    # Signal.
    tissues: Float[Array, "tissue"]  # factors of `contrast.TISSUES`, in that order
    chambers: Float[Array, "chamber=4"]  # factors of the blood's signal: LV, RV, LA, RA
    chambers_es: Float[Array, "chamber=4"]  # the same, of what they are at ED, at ES
    layers: Float[Array, "chamber=4"]  # how far the blood's signal changes from base to apex
    edge_mm: Float[Array, ""]  # walls that are not square to the slice
    resolution_mm: Float[Array, "xy=2"]
    level: Float[Array, ""]  # factor of all that is written
    coil_mm: Float[Array, "xy=2"]  # a coil element's place …
    coil: Float[Array, ""]  # … and its strength
    off_resonance: Float[Array, "term=6"]  # turns per repetition time; see `artefacts.turns`
    # Blood that is dark where it is fast, 0 to 1.
    inflow: Float[Array, ""]
    mitral_jet: Float[Array, ""]
    tricuspid_jet: Float[Array, ""]
    aortic_jet: Float[Array, ""]
    # Around the heart.
    effusion_mm: Float[Array, ""]
    effusion_degrees: Float[Array, ""]
    lumps: Float[Array, "chamber=3 wave=4"]  # RV, LA, RA: no two have one outline
    chest_scale: Float[Array, ""]
    chest_warp_mm: Float[Array, ""]
    liver: Float[Array, "xyab=4"]  # centre and semi-axes, mm; none where they are negative
    liver_vessels: Float[Array, "vessel 4"]
    stomach: Float[Array, "xyab=4"]
    stomach_filling: Float[Array, ""]  # signal of what it holds; above it is gas
    stomach_level: Float[Array, ""]
    spleen_mm: Float[Array, ""]
    arms_mm: Float[Array, "side=2"]  # radius; none where it is negative
    wires: Float[Array, "wire xyr=3"]  # in the sternum; none where the radius is negative


class Subject(NamedTuple):
    """One heart in one chest, as scalars unless a shape is given; a pytree.

    A part that is `None` is not drawn, and costs nothing.
    """

    # Left ventricle at ED, and how it beats.
    length_mm: Float[Array, ""]
    half_width_mm: Float[Array, ""]
    wall_mm: Float[Array, ""]
    bend: Float[Array, ""]
    mitral_tilt: Float[Array, ""]
    ef: Float[Array, ""]
    shortening: Float[Array, ""]
    heart_rate_bpm: Float[Array, ""]
    early_filling: Float[Array, ""]
    atrial_kick: Float[Array, ""]
    # The other chambers; `size` scales them with the left ventricle.
    size: Float[Array, ""]
    rv_reach_mm: Float[Array, ""]
    rv_apex: Float[Array, ""]
    tapse_mm: Float[Array, ""]
    tricuspid_tilt_mm: Float[Array, ""]
    la_depth_mm: Float[Array, ""]
    la_half_width_mm: Float[Array, ""]
    ra_depth_mm: Float[Array, ""]
    ra_fullness: Float[Array, ""]
    vein_mm: Float[Array, ""]
    papillary: Float[Array, ""]
    trabeculation: Float[Array, ""]
    epicardial_fat_mm: Float[Array, ""]
    # Where it lies.
    axis_degrees: Float[Array, ""]
    heart_mm: Float[Array, "xy=2"]
    # The chest around it.
    habitus: Float[Array, ""]
    chest_mm: Float[Array, "xy=2"]
    subcutaneous_fat_mm: Float[Array, ""]
    liver: Float[Array, ""]
    aorta_mm: Float[Array, ""]
    vessels: Float[Array, "vessel xyr=3"]
    # Textures and coil.
    waves: Float[Array, "wave 4"]
    coil_anterior: Float[Array, ""]
    coil_side: Float[Array, ""]
    noise: Float[Array, ""]
    fov_mm: Float[Array, ""]
    # What the normal population lacks.
    rhythm: Rhythm | None = None
    disease: Disease | None = None
    imaging: Imaging | None = None


def correlation_matrix() -> np.ndarray:
    """Return the correlations of PHYSIOLOGY in its order."""
    names = list(PHYSIOLOGY)
    matrix = np.eye(len(names), dtype=np.float32)
    for (a, b), value in CORRELATIONS.items():
        matrix[names.index(a), names.index(b)] = matrix[names.index(b), names.index(a)] = value
    return matrix


def draw_subject(key: PRNGKeyArray) -> Subject:
    """Draw one subject's anatomy; the same key gives the same subject."""
    counts = (len(PHYSIOLOGY), len(ANATOMY), 3 * NUM_VESSELS, 4 * NUM_WAVES)
    scores = jax.random.normal(key, [sum(counts)])
    own, others, vessels, waves = jnp.split(scores, np.cumsum(counts)[:-1])
    root = jnp.asarray(np.linalg.cholesky(correlation_matrix()))
    area_cm2, sphericity, ef, wall_mm, heart_rate_bpm, habitus = _draw(PHYSIOLOGY, root @ own)
    a = dict(zip(ANATOMY, _draw(ANATOMY, others), strict=True))

    # Area = length · half width · UNIT_AREA, and sphericity = 2 · half width / length.
    length_mm = jnp.sqrt(200 * area_cm2 / (sphericity * UNIT_AREA))
    size = jnp.sqrt(area_cm2 / 30)
    return Subject(
        length_mm=length_mm,
        half_width_mm=sphericity * length_mm / 2,
        wall_mm=wall_mm,
        bend=a["bend"],
        mitral_tilt=a["mitral_tilt"],
        ef=ef,
        shortening=a["shortening"] + 0.20 * (ef - PHYSIOLOGY["ef"][0]),
        heart_rate_bpm=heart_rate_bpm,
        early_filling=jnp.minimum(a["early_filling"], 0.95 - a["atrial_kick"]),
        atrial_kick=a["atrial_kick"],
        size=size,
        rv_reach_mm=size * a["rv_reach_mm"],
        rv_apex=a["rv_apex"],
        tapse_mm=size * a["tapse_mm"],
        tricuspid_tilt_mm=a["tricuspid_tilt_mm"],
        la_depth_mm=size * a["la_depth_mm"],
        la_half_width_mm=size * a["la_half_width_mm"],
        ra_depth_mm=size * a["ra_depth_mm"],
        ra_fullness=a["ra_fullness"],
        vein_mm=size * a["vein_mm"],
        papillary=a["papillary"],
        trabeculation=a["trabeculation"],
        epicardial_fat_mm=jnp.exp(a["log_epicardial_fat"] + 0.2 * habitus),
        axis_degrees=a["axis_degrees"] - 2.5 * habitus,
        heart_mm=jnp.stack([a["heart_right_mm"], a["heart_down_mm"]]),
        habitus=habitus,
        chest_mm=jnp.stack([a["chest_right_mm"], a["chest_down_mm"]]),
        subcutaneous_fat_mm=jnp.exp(a["log_subcutaneous_fat"] + 0.3 * habitus),
        liver=a["liver"],
        aorta_mm=a["aorta_mm"],
        vessels=jnp.clip(vessels.reshape(-1, 3), -TRUNCATE_SD, TRUNCATE_SD),
        waves=jax.scipy.stats.norm.cdf(waves.reshape(-1, 4)),  # even in [0, 1]
        coil_anterior=jnp.exp(a["log_coil_anterior"]),
        coil_side=a["coil_side"],
        noise=jnp.exp(a["log_noise"]),
        fov_mm=a["fov_mm"],
    )


def _draw(
    table: dict[str, tuple[float, float]], scores: Float[Array, "name"]
) -> Float[Array, "name"]:
    mean, sd = np.asarray(list(table.values()), np.float32).T
    return mean + sd * jnp.clip(scores, -TRUNCATE_SD, TRUNCATE_SD)


def _unit_area() -> float:
    """Return the area of the left ventricle of length 1 and half width 1, by integration.

    The apical part is half an ellipse of semi-axes EQUATOR and 1; the basal part an ellipse
    cut where its half width has fallen to ANNULUS.
    """
    cut = np.sqrt(1 - ANNULUS**2)
    semi_axis = (1 - EQUATOR) / cut
    return float(np.pi / 2 * EQUATOR + semi_axis * (cut * ANNULUS + np.arcsin(cut)))


UNIT_AREA = _unit_area()
