"""The heart's shapes in one pose: four chambers, walls and valves, as signed distances.

Heart coordinates: `s` runs from the epicardial apex, which stays in place, along the left
ventricle's axis to the base; `r` runs across it, from the lateral wall towards the right ventricle.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from gancmri_jax.cine.phantom.anatomy import ANNULUS, EQUATOR, Imaging, Subject
from gancmri_jax.cine.phantom.motion import APEX_WALL, Pose
from gancmri_jax.cine.phantom.shapes import (
    Field,
    Point,
    disc,
    distances,
    egg,
    intersection,
    segment,
    superellipse,
    taper,
    union,
)
from gancmri_jax.cine.phantom.wall import uneven

CENTRE_OF_HEART = (0.93, 22.0)  # in lengths of the left ventricle, and mm towards the right one


class Outlines(NamedTuple):
    """Elementary shapes, of which the chambers are intersections."""

    lv_endo: Field
    lv_epi: Field
    mitral: Field
    rv_free: Field
    tricuspid: Field
    left_atrium: Field
    right_atrium: Field
    atrial_septum: Field
    pulmonary_vein: Field


class Heart(NamedTuple):
    """Signed distances in millimetres of what a picture of the heart is made of."""

    lv: Field
    myocardium: Field  # within the epicardium, cavity included
    rv: Field
    rv_wall: Field  # outer surface of the free wall
    la: Field
    ra: Field
    veins: Field
    atrial_wall: Field
    mitral_leaflets: Field
    tricuspid_leaflets: Field
    papillary: Field
    moderator: Field
    grooves: Field


def heart_coordinates(subject: Subject, pose: Pose, x: Field, y: Field) -> tuple[Field, Field]:
    """Turn display millimetres (x right, y down, from the centre) into heart coordinates."""
    angle = jnp.deg2rad(subject.axis_degrees - pose.swing_degrees)
    rest = jnp.deg2rad(subject.axis_degrees)
    along, across = CENTRE_OF_HEART[0] * subject.length_mm, CENTRE_OF_HEART[1] * subject.size
    # The apex stays; at rest the centre of the heart lies at heart_mm.
    apex_x = subject.heart_mm[0] + along * jnp.cos(rest) + across * jnp.sin(rest)
    apex_y = subject.heart_mm[1] - along * jnp.sin(rest) + across * jnp.cos(rest)
    dx, dy = x - apex_x, y - apex_y
    s = -dx * jnp.cos(angle) + dy * jnp.sin(angle)
    r = -dx * jnp.sin(angle) - dy * jnp.cos(angle)
    return s, r


def lv_outlines(subject: Subject, pose: Pose, s: Field, r: Field) -> tuple[Field, Field, Field]:
    """Describe the left ventricle's endocardium, epicardium and mitral plane.

    In units of length and half width the cavity never changes its shape, so its area is
    proportional to their product at every instant; but for an infarct, which stays where it is.
    """
    apex = APEX_WALL * pose.wall
    equator = apex + EQUATOR * pose.length
    above = (1 - EQUATOR) * pose.length / jnp.sqrt(1 - ANNULUS**2)
    bent = subject.bend * pose.half_width * ((s - equator) / pose.length) ** 2
    across = r - bent
    endo = egg(s - equator, across, EQUATOR * pose.length, above, pose.half_width)
    epi = egg(s - equator, across, equator, above, pose.half_width + pose.wall)
    if subject.disease is not None:
        endo, epi = uneven(subject, subject.disease, pose, s, r)
    mitral = (s - apex) / pose.length - 1 - subject.mitral_tilt * across / pose.half_width
    return endo, epi, mitral


def lv_cavity(subject: Subject, pose: Pose, s: Field, r: Field) -> Field:
    """Describe the blood pool: negative inside, papillary muscles included."""
    endo, _, mitral = lv_outlines(subject, pose, s, r)
    return jnp.maximum(endo, mitral)


def heart(subject: Subject, pose: Pose, x: Field, y: Field) -> Heart:
    """Assemble the heart at display positions."""

    def outlines(x: Field, y: Field) -> Outlines:
        return _outlines(subject, pose, *heart_coordinates(subject, pose, x, y))

    near = distances(outlines, x, y)
    s, r = heart_coordinates(subject, pose, x, y)
    crux_s, crux_r = _mitral_septal(pose)
    rv_wall = intersection(near.rv_free - 3.0, near.tricuspid - 2, 3.0)
    ra = intersection(near.right_atrium, -near.tricuspid, 6.0)
    la = intersection(near.left_atrium, -near.mitral, 5.0)
    rv = intersection(intersection(near.rv_free, near.tricuspid, 5.0), -near.lv_epi, 4.0)
    return Heart(
        lv=jnp.maximum(near.lv_endo, near.mitral),
        myocardium=intersection(near.lv_epi, near.mitral - 0.5, 3.0),
        rv=rv,
        rv_wall=rv_wall,
        la=intersection(la, -near.atrial_septum + 0.9, 4.0),
        ra=intersection(ra, near.atrial_septum + 0.9, 4.0),
        veins=jnp.maximum(near.pulmonary_vein, -near.atrial_septum + 2.0),
        atrial_wall=union(la, ra, 4.0) - 1.8,
        mitral_leaflets=_leaflets(
            pose,
            s,
            r,
            (crux_s, crux_r),
            (pose.length + APEX_WALL * pose.wall, -ANNULUS * pose.half_width),
        ),
        tricuspid_leaflets=_leaflets(
            pose,
            s,
            r,
            (pose.tricuspid_lateral, pose.rv_reach),
            (pose.tricuspid_septal, crux_r + ANNULUS * pose.wall),
        ),
        papillary=_papillary(subject, pose, s, r),
        moderator=_moderator(subject, pose, s, r),
        grooves=_grooves(subject, pose, s, r),
    )


def _outlines(subject: Subject, pose: Pose, s: Field, r: Field) -> Outlines:
    endo, epi, mitral = lv_outlines(subject, pose, s, r)
    crux_s, crux_r = _mitral_septal(pose)
    septal_r = crux_r + ANNULUS * pose.wall
    lateral_r = pose.rv_reach
    slope = (pose.tricuspid_lateral - pose.tricuspid_septal) / (lateral_r - septal_r)
    tricuspid = s - pose.tricuspid_septal - slope * (r - septal_r)

    middle = (pose.tricuspid_septal + pose.tricuspid_lateral) / 2
    rv_length = middle - subject.rv_apex * subject.length_mm
    rv_free = superellipse(
        s - middle,
        r,
        jnp.where(s < middle, rv_length, 1.6 * rv_length),
        jnp.where(r > 0, pose.rv_reach, 0.8 * pose.half_width),  # on one side of the LV only
        2.15,
    )

    # The roofs of the atria stay in place, so the descending annuli stretch them.
    base_ed = subject.length_mm + APEX_WALL * subject.wall_mm
    la_roof = base_ed + subject.la_depth_mm
    la_deep = la_roof - crux_s
    la_across = r - 3.0 * subject.size - 0.20 * (s - crux_s)
    left_atrium = superellipse(
        s - (crux_s + 0.44 * la_deep),
        la_across,
        0.56 * la_deep,
        subject.la_half_width_mm * (0.93 + 0.10 * pose.reservoir),
        2.4,
    )
    ra_roof = base_ed + subject.ra_depth_mm
    ra_deep = ra_roof - middle
    wide = (subject.rv_reach_mm + pose.rv_reach) / 2 - septal_r
    right_atrium = superellipse(
        s - (middle + 0.42 * ra_deep),
        r - (septal_r + 0.52 * wide) - 0.08 * (s - middle),
        0.58 * ra_deep,
        0.54 * wide * subject.ra_fullness * (0.93 + 0.10 * pose.reservoir),
        2.4,
    )
    if subject.imaging is not None:
        lumps = _lumps(subject.imaging, s - crux_s, r)
        rv_free, left_atrium, right_atrium = (
            shape + lump
            for shape, lump in zip((rv_free, left_atrium, right_atrium), lumps, strict=True)
        )
    far_s, far_r = la_roof, subject.size * 38.0
    along_s, along_r = far_s - crux_s, far_r - septal_r
    atrial_septum = (s - crux_s) * along_r - (r - septal_r + 2.0) * along_s
    size = subject.size
    right_vein = taper(
        s,
        r,
        (la_roof - 14.0, 8.0 * size),
        (la_roof + 9.0 * size, 33.0 * size + subject.vein_mm),
        11.0 * size,
        5.0 * size,
    )
    left_vein = taper(
        s,
        r,
        (la_roof - 18.0, -8.0 * size),
        (la_roof - 9.0, -25.0 * size + subject.vein_mm),
        10.0 * size,
        4.5 * size,
    )
    return Outlines(
        lv_endo=endo,
        lv_epi=epi,
        mitral=mitral,
        rv_free=rv_free,
        tricuspid=tricuspid,
        left_atrium=left_atrium,
        right_atrium=right_atrium,
        atrial_septum=atrial_septum,
        pulmonary_vein=jnp.minimum(right_vein, left_vein),
    )


def _lumps(imaging: Imaging, s: Field, r: Field) -> list[Field]:
    """Return waves to be added to the outlines of RV, LA and RA, in parts of their size."""
    lumps = []
    for height, heading, length_mm, start in imaging.lumps:
        angle = 2 * jnp.pi * heading
        along = (jnp.cos(angle) * s + jnp.sin(angle) * r) / length_mm
        lumps.append(height * jnp.cos(2 * jnp.pi * (along + start)))
    return lumps


def _mitral_septal(pose: Pose) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return where the mitral annulus meets the septum."""
    return pose.length + APEX_WALL * pose.wall, ANNULUS * pose.half_width


def _leaflets(pose: Pose, s: Field, r: Field, a: Point, b: Point) -> Field:
    """Return the distance to two leaflets hinged at `a` and `b` (a's r above b's).

    Closed they meet beyond the middle of the annulus, a little towards the apex; open they point
    to the apex.
    """
    wide = a[1] - b[1]
    reach = 0.56 * wide
    angle = jnp.deg2rad(14 + 62 * pose.valves_open)
    tip_a = (a[0] - reach * jnp.sin(angle), a[1] - reach * jnp.cos(angle))
    tip_b = (b[0] - 0.8 * reach * jnp.sin(angle), b[1] + 0.8 * reach * jnp.cos(angle))
    return jnp.minimum(segment(s, r, a, tip_a), segment(s, r, b, tip_b)) - 0.6


def _papillary(subject: Subject, pose: Pose, s: Field, r: Field) -> Field:
    """Return the distance to the anterolateral papillary muscle, on the lateral wall."""
    apex = APEX_WALL * pose.wall
    root = (apex + 0.30 * pose.length, -0.86 * pose.half_width)
    tip = (apex + 0.62 * pose.length, -0.60 * pose.half_width)
    return segment(s, r, root, tip) - subject.papillary * (2.0 + 1.2 * pose.ejected)


def _moderator(subject: Subject, pose: Pose, s: Field, r: Field) -> Field:
    """Return the distance to the moderator band, from septum to free wall near the RV's apex."""
    septum = (0.40 * pose.length, pose.half_width + pose.wall - 1.0)
    wall = (0.30 * pose.length, 0.70 * pose.rv_reach)
    return segment(s, r, septum, wall) - subject.trabeculation * 1.6


def _grooves(subject: Subject, pose: Pose, s: Field, r: Field) -> Field:
    """Return the distance to the fat of the atrioventricular grooves."""
    base = pose.length + APEX_WALL * pose.wall
    lateral = -ANNULUS * (pose.half_width + pose.wall)
    fat = 2.5 + 0.6 * subject.epicardial_fat_mm
    left = disc(s - base - 1.0, r - lateral - 1.0, fat)
    right = disc(s - pose.tricuspid_lateral - 1.0, r - pose.rv_reach - 1.0, fat + 1.0)
    return jnp.minimum(left, right)
