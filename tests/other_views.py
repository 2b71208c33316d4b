"""Views of a phantom heart that are no 4-chamber view, in the same thorax and scanner."""

import jax.numpy as jnp

from gancmri_jax.cine.phantom.anatomy import Subject
from gancmri_jax.cine.phantom.heart import CENTRE_OF_HEART, Heart, heart, heart_coordinates
from gancmri_jax.cine.phantom.motion import Pose
from gancmri_jax.cine.phantom.shapes import Field, disc, ellipse, intersection

PAPILLARY_DEGREES = (50.0, 130.0)  # where two muscles stand, from the RV's side


def two_chamber(subject: Subject, pose: Pose, x: Field, y: Field) -> Heart:
    """Show the left ventricle and the left atrium alone."""
    shapes = heart(subject, pose, x, y)
    nowhere = jnp.full_like(shapes.lv, 1e3)
    return shapes._replace(
        rv=nowhere,
        rv_wall=nowhere,
        ra=nowhere,
        atrial_wall=shapes.la - 1.8,
        tricuspid_leaflets=nowhere,
        moderator=nowhere,
    )


def short_axis(subject: Subject, pose: Pose, x: Field, y: Field) -> Heart:
    """Show a ring of myocardium with a crescent of right ventricle beside it."""
    s, r = heart_coordinates(subject, pose, x, y)
    s = s - CENTRE_OF_HEART[0] * subject.length_mm
    r = r - CENTRE_OF_HEART[1] * subject.size + 20.0
    lv = disc(s, r, pose.half_width)
    epi = disc(s, r, pose.half_width + pose.wall)
    across, along = 0.75 * pose.rv_reach, 1.12 * (pose.half_width + pose.wall)
    free = ellipse(s, r - 0.2 * pose.rv_reach, along, across) * jnp.minimum(across, along)
    rv = intersection(intersection(free, 2.0 - epi, 4.0), -r, 4.0)
    nowhere = jnp.full_like(lv, 1e3)
    muscles = nowhere
    for degrees in PAPILLARY_DEGREES:
        angle = jnp.deg2rad(degrees + 90)
        at = 0.75 * pose.half_width
        muscle = disc(s - at * jnp.cos(angle), r - at * jnp.sin(angle), 3.0 + pose.ejected)
        muscles = jnp.minimum(muscles, muscle)
    return Heart(
        lv=lv,
        myocardium=epi,
        rv=rv,
        rv_wall=rv - 3.0,
        la=nowhere,
        ra=nowhere,
        veins=nowhere,
        atrial_wall=nowhere,
        mitral_leaflets=nowhere,
        tricuspid_leaflets=nowhere,
        papillary=muscles,
        moderator=nowhere,
        grooves=nowhere,
    )
