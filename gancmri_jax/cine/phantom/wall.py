"""The left ventricle's wall where disease makes it uneven: asymmetric hypertrophy, and infarcts.

Directions are seen from the middle of the ventricle at its equator: 0 degrees is the apex, 90 the
middle of the septum, −90 the middle of the lateral wall; the mitral annulus begins at about ±130.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gancmri_jax.cine.phantom.anatomy import ANNULUS, EQUATOR, Disease, Subject
from gancmri_jax.cine.phantom.motion import APEX_WALL, Pose
from gancmri_jax.cine.phantom.shapes import Field, egg

BORDER_DEGREES = 14.0  # over which an uneven part of the wall goes over into the rest, each side


def uneven(
    subject: Subject, disease: Disease, pose: Pose, s: Field, r: Field
) -> tuple[Field, Field]:
    """Describe the endocardium and the epicardium, as `heart.lv_outlines` does of an even wall.

    An infarct's wall stays where it is at ED and keeps its thickness; around it the outlines go
    over smoothly into those of the wall that beats.
    """
    endo, epi, reach, (along, across) = _eggs(
        subject, pose.length, pose.half_width, pose.wall, s, r
    )
    thick = within(along, across, disease.septal_degrees, disease.septal_half_degrees)
    thick = disease.septal_mm * thick * (1 + 0.1 * pose.ejected)
    epi = _further(epi, thick, reach)

    rest = (subject.length_mm, subject.half_width_mm, subject.wall_mm)
    endo_ed, _, reach_ed, (along, across) = _eggs(subject, *rest, s, r)
    thin = _further(endo_ed, disease.infarct_wall_mm, reach_ed)
    still = disease.infarct * within(
        along, across, disease.infarct_degrees, disease.infarct_half_degrees
    )
    return endo + still * (endo_ed - endo), epi + still * (thin - epi)


def within(along: Field, across: Field, degrees: Field | float, half: Field | float) -> Field:
    """Return 1 in directions near one, 0 in others; half at `half` degrees from it."""
    angle = jnp.deg2rad(degrees)
    size = jax.lax.rsqrt(along**2 + across**2 + 1e-6)
    near = (along * jnp.cos(angle) + across * jnp.sin(angle)) * size
    inner = jnp.cos(jnp.deg2rad(jnp.maximum(half - BORDER_DEGREES, 0.0)))
    outer = jnp.cos(jnp.deg2rad(half + BORDER_DEGREES))
    t = jnp.clip((near - outer) / (inner - outer), 0, 1)
    return t * t * (3 - 2 * t)


def _eggs(
    subject: Subject,
    length: Float[Array, ""],
    half_width: Float[Array, ""],
    wall: Float[Array, ""],
    s: Field,
    r: Field,
) -> tuple[Field, Field, Field, tuple[Field, Field]]:
    """Return an even wall's endocardium and epicardium, the way to the middle, and where to."""
    equator = APEX_WALL * wall + EQUATOR * length
    above = (1 - EQUATOR) * length / jnp.sqrt(1 - ANNULUS**2)
    up = s - equator
    out = r - subject.bend * half_width * (up / length) ** 2
    endo = egg(up, out, EQUATOR * length, above, half_width)
    epi = egg(up, out, equator, above, half_width + wall)
    reach = jnp.sqrt(up**2 + out**2 + 1e-4)
    return endo, epi, reach, (-up / (EQUATOR * length), out / half_width)


def _further(outline: Field, by_mm: Field | float, reach: Field) -> Field:
    """Move an outline away from the middle, by millimetres along each ray."""
    ratio = outline + 1  # of a point's way from the middle to the outline's on its ray
    return ratio / (1 + by_mm * ratio / reach) - 1
