"""Flowing blood as scanners differ in showing it: brighter here, darker there, void in jets."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from gancmri_jax.cine.phantom.anatomy import Imaging, Subject
from gancmri_jax.cine.phantom.motion import APEX_WALL, Pose
from gancmri_jax.cine.phantom.shapes import Field


def blood_by_chamber(
    subject: Subject, imaging: Imaging, pose: Pose, blood: Field, s: Field
) -> list[Field]:
    """Return the blood's signal in LV, RV, LA and RA."""
    base = pose.length + APEX_WALL * pose.wall
    depth = jnp.clip((base - s) / subject.length_mm, -1.0, 1.0)  # 0 at the valves, 1 at the apex
    factors = imaging.chambers * imaging.chambers_es**pose.ejected
    return [
        blood * factor * (1 + layer * depth)
        for factor, layer in zip(factors, imaging.layers, strict=True)
    ]


def flow_voids(
    subject: Subject,
    imaging: Imaging,
    pose: Pose,
    s: Field,
    r: Field,
    normal: tuple[Field, Field, Field],
) -> Field:
    """Return how much of the signal fast blood loses.

    Args:
        subject: Whose heart.
        imaging: How dark each jet is.
        pose: Which are there.
        s, r: Heart coordinates.
        normal: Squared distances from the streams into LV, into RV and out of LV, in their size.
    """
    into_lv, into_rv, out_of_lv = normal
    base = pose.length + APEX_WALL * pose.wall
    lost = imaging.inflow * pose.inflow * (jnp.exp(-into_lv) + 0.7 * jnp.exp(-into_rv))
    lost += imaging.inflow * pose.outflow * jnp.exp(-out_of_lv)
    systole, diastole = pose.outflow, jnp.clip(pose.valves_open, 0, 1)
    tricuspid = 0.66 * pose.rv_reach
    lost += imaging.mitral_jet * systole * _plume(s - base, r, 32.0 * subject.size)
    lost += imaging.tricuspid_jet * systole * _plume(s - base, r - tricuspid, 28.0 * subject.size)
    leak = _plume(base - s, r - 0.6 * pose.half_width + 0.3 * (base - s), 36.0 * subject.size)
    lost += imaging.aortic_jet * diastole * leak
    return jnp.clip(lost, 0, 0.92)


def _plume(along: Field, across: Field, length_mm: Float[Array, ""]) -> Field:
    """Return a jet that starts at 0 and widens: 1 inside, 0 outside."""
    wide = 2.5 + 0.22 * jnp.maximum(along, 0)
    ahead = jnp.clip(along / 3.0 + 1, 0, 1) * jnp.clip(2 - 2 * along / length_mm, 0, 1)
    return ahead * jnp.exp(-((across / wide) ** 2))
