"""Measure a phantom: exact phenotypes from its geometry, at any resolution the same."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gancmri_jax.cine.geometry import polygon_area, sides_of_smallest_rectangle
from gancmri_jax.cine.phantom.anatomy import EQUATOR, Subject
from gancmri_jax.cine.phantom.heart import lv_cavity
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
    inner, outer = jnp.zeros(points), jnp.full(points, 2.0) * posed.length

    def halve(_: int, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        inner, outer = bounds
        middle = (inner + outer) / 2
        inside = lv_cavity(subject, posed, centre + middle * along, middle * across) < 0
        return jnp.where(inside, middle, inner), jnp.where(inside, outer, middle)

    inner, outer = jax.lax.fori_loop(0, 40, halve, (inner, outer))
    radius = (inner + outer) / 2
    return jnp.stack([radius * along, radius * across], axis=-1)


@partial(jax.jit, static_argnames="frames")
def _poses(subject: Subject, frames: int) -> Pose:
    """Return the poses of a beat's frames, stacked."""
    return jax.vmap(lambda i: pose(subject, i / frames))(jnp.arange(frames))


def measure(subject: Subject, frames: int) -> dict[str, float]:
    """Return a subject's phenotypes; ES is the frame of smallest LV area.

    Volumes are by the area-length method, V = 8 A² / (3 π L), with L from the endocardial apex
    to the middle of the mitral annulus.
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
        volumes_ml.append(8 * area_cm2**2 / (3 * math.pi * float(posed.length) / 10))
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
    }
