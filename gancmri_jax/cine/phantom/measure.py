"""Measure a phantom: exact phenotypes from its geometry, at any resolution the same."""

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from gancmri_jax.cine.geometry import polygon_area, sides_of_smallest_rectangle
from gancmri_jax.cine.phantom.anatomy import EQUATOR, Subject
from gancmri_jax.cine.phantom.heart import lv_cavity, lv_outlines
from gancmri_jax.cine.phantom.motion import APEX_WALL, Pose, pose

CONTOUR_POINTS = 1440


@partial(jax.jit, static_argnames="points")
def lv_contour_mm(
    subject: Subject, posed: Pose, points: int = CONTOUR_POINTS
) -> Float[Array, "points 2"]:
    """Trace the outline of the left ventricular blood pool, in heart coordinates.

    Along each ray from a point on the axis the zero of the very function that is rasterised is
    found by bisection; the cavity is star-shaped about that point.
    """
    centre = APEX_WALL * posed.wall + EQUATOR * posed.length
    angle = jnp.arange(points) * (2 * jnp.pi / points)
    along, across = jnp.cos(angle), jnp.sin(angle)
    radius = _first_outside(
        lambda far: lv_cavity(subject, posed, centre + far * along, far * across) < 0,
        jnp.full(points, 2.0) * posed.length,
    )
    return jnp.stack([radius * along, radius * across], axis=-1)


@jax.jit
def wall_thickness_mm(
    subject: Subject, posed: Pose, degrees: Float[Array, "n"], seen_from: Pose
) -> Float[Array, "n"]:
    """Return how thick the myocardium is, along rays in `wall`'s directions.

    Args:
        subject: Whose heart.
        posed: When.
        degrees: Directions: 0 the apex, 90 the septum, −90 the lateral wall.
        seen_from: The pose whose middle the rays start from, to look at one place all along.
    """
    middle = APEX_WALL * seen_from.wall + EQUATOR * seen_from.length
    angle = jnp.deg2rad(degrees)
    along = -EQUATOR * seen_from.length * jnp.cos(angle)
    across = seen_from.half_width * jnp.sin(angle)
    size = jnp.sqrt(along**2 + across**2)
    along, across = along / size, across / size

    def radius(outline: int) -> Float[Array, "n"]:
        return _first_outside(
            lambda far: (
                lv_outlines(subject, posed, middle + far * along, far * across)[outline] < 0
            ),
            jnp.full(len(degrees), 2.0) * seen_from.length,
        )

    return radius(1) - radius(0)


def _first_outside(
    inside: Callable[[Float[Array, "n"]], Bool[Array, "n"]], far: Float[Array, "n"]
) -> Float[Array, "n"]:
    """Return how far along each ray a star-shaped outline lies, by bisection."""
    inner, outer = jnp.zeros(len(far)), far

    def halve(_: Int[Array, ""], bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        inner, outer = bounds
        middle = (inner + outer) / 2
        within = inside(middle)
        return jnp.where(within, middle, inner), jnp.where(within, outer, middle)

    inner, outer = jax.lax.fori_loop(0, 40, halve, (inner, outer))
    return (inner + outer) / 2


@partial(jax.jit, static_argnames="frames")
def _poses(subject: Subject, frames: int) -> Pose:
    """Return the poses of a beat's frames, stacked."""
    return jax.vmap(lambda i: pose(subject, i / frames))(jnp.arange(frames))


def measure(subject: Subject, frames: int) -> dict[str, float]:
    """Return a subject's phenotypes; ES is the frame of smallest LV area.

    Volumes are by the area-length method, V = 8 A² / (3 π L), with L from the endocardial apex
    to the middle of the mitral annulus. `wall_thickness_ed_mm` is the even wall's; a sick one has
    columns of its own.
    """
    poses = _poses(subject, frames)
    # The cavity keeps its shape up to scale along and across, so this orders frames by area.
    es_frame = int(np.argmin(np.asarray(poses.length * poses.half_width)))
    areas_cm2, volumes_ml = [], []
    for frame in (0, es_frame):
        posed = jax.tree.map(lambda field, i=frame: field[i], poses)
        contour = np.asarray(lv_contour_mm(subject, posed), np.float64)
        area_cm2 = polygon_area(contour) / 100
        areas_cm2.append(area_cm2)
        length_mm = float(posed.length)
        if subject.disease is not None:  # an infarct holds the apex, or a point on the way there
            length_mm = float(np.linalg.norm(contour[0] - contour[CONTOUR_POINTS // 2]))
        volumes_ml.append(8 * area_cm2**2 / (3 * math.pi * length_mm / 10))
        if frame == 0:
            short, long = sides_of_smallest_rectangle(contour)
    return {
        "ed_frame": 0,
        "es_frame": es_frame,
        "lv_area_ed_cm2": areas_cm2[0],
        "lv_area_es_cm2": areas_cm2[1],
        "sphericity_index": short / long,
        "lv_fac_percent": 100 * (1 - areas_cm2[1] / areas_cm2[0]),
        "ef_percent": 100 * (1 - volumes_ml[1] / volumes_ml[0]),
        "heart_rate_bpm": float(subject.heart_rate_bpm),
        "lv_edv_ml": volumes_ml[0],
        "lv_esv_ml": volumes_ml[1],
        "wall_thickness_ed_mm": float(subject.wall_mm),
        **(_uneven_wall(subject, poses, es_frame) if subject.disease is not None else {}),
    }


def _uneven_wall(subject: Subject, poses: Pose, es_frame: int) -> dict[str, float]:
    """Measure the wall at ED and ES: at the equator, at its thickest, and in an infarct."""
    assert subject.disease is not None
    ed, es = (jax.tree.map(lambda field, i=i: field[i], poses) for i in (0, es_frame))
    sides, around = jnp.asarray([90.0, -90.0]), jnp.linspace(-115.0, 115.0, 231)
    scar = subject.disease.infarct_degrees[None]
    found: dict[str, float] = {}
    for name, posed in (("ed", ed), ("es", es)):
        septal, lateral = wall_thickness_mm(subject, posed, sides, posed)
        found[f"wall_septal_{name}_mm"], found[f"wall_lateral_{name}_mm"] = (
            float(septal),
            float(lateral),
        )
        if name == "ed":
            thickest = wall_thickness_mm(subject, posed, around, posed).max()
            found["wall_thickest_ed_mm"] = float(thickest)
        infarct = wall_thickness_mm(subject, posed, scar, ed)[0]
        found[f"infarct_wall_{name}_mm"] = float(infarct) if subject.disease.infarct else math.nan
    return found
