"""A picture: the heart in one pose, painted over the chest, in multiples of blood's signal."""

import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from gancmri_jax.cine.phantom.anatomy import ANNULUS, Subject
from gancmri_jax.cine.phantom.contrast import signals, texture
from gancmri_jax.cine.phantom.flow import blood_by_chamber, flow_voids
from gancmri_jax.cine.phantom.heart import Heart, heart_coordinates
from gancmri_jax.cine.phantom.motion import APEX_WALL, Pose
from gancmri_jax.cine.phantom.pericardium import paint_pericardium
from gancmri_jax.cine.phantom.shapes import Field, coverage, paint, union


def label(shapes: Heart) -> UInt8[Array, "..."]:
    """Label positions: 0 background, 1 LV, 2 myocardium, 3 RV, 4 LA, 5 RA.

    The papillary muscles count as blood pool, as clinical convention has it; the pulmonary veins
    are background.
    """
    labels = jnp.zeros(shapes.lv.shape, jnp.uint8)
    for number, shape in ((5, shapes.ra), (4, shapes.la), (3, shapes.rv), (2, shapes.myocardium)):
        labels = jnp.where(shape < 0, jnp.uint8(number), labels)
    return jnp.where(shapes.lv < 0, jnp.uint8(1), labels)


def picture(
    subject: Subject,
    pose: Pose,
    shapes: Heart,
    chest: Field,
    x: Field,
    y: Field,
    edge_mm: Float[Array, ""],
) -> Field:
    """Paint the heart over the chest."""
    s, r = heart_coordinates(subject, pose, x, y)
    # Walls are seldom square to the slice, so their edges are wider than a pixel.
    oblique_mm = 1.5 if subject.imaging is None else subject.imaging.edge_mm
    edge_mm = jnp.sqrt(edge_mm**2 + oblique_mm**2)
    signal = signals(subject)
    canvas = _paint_envelope(subject, shapes, chest, s, r, edge_mm)
    muscle = signal["myocardium"] * (1 + 0.05 * texture(subject, s, r, 14.0, first=2))
    canvas = paint(canvas, shapes.veins - 1.2, muscle, edge_mm)
    canvas = paint(canvas, shapes.atrial_wall, muscle, edge_mm)
    canvas = paint(canvas, shapes.rv_wall, muscle, edge_mm)
    canvas = paint(canvas, shapes.grooves, 0.9 * signal["fat"], edge_mm)
    canvas = paint(canvas, shapes.grooves + 4.5, 0.8, edge_mm)  # the coronary vessel in it
    canvas = paint(canvas, shapes.myocardium, muscle, edge_mm)

    blood = _blood(subject, pose, s, r)
    in_lv = in_rv = in_la = in_ra = blood
    if subject.imaging is not None:
        blood = signal["blood"] * blood
        in_lv, in_rv, in_la, in_ra = blood_by_chamber(subject, subject.imaging, pose, blood, s)
    canvas = paint(canvas, shapes.veins, 0.95 * in_la, 2 * edge_mm)
    chambers = ((shapes.la, in_la), (shapes.ra, in_ra), (shapes.rv, in_rv), (shapes.lv, in_lv))
    for chamber, inside in chambers:
        canvas = paint(canvas, chamber, inside, edge_mm)
    return _paint_inside(subject, pose, shapes, canvas, s, r, edge_mm)


def _paint_envelope(
    subject: Subject, shapes: Heart, canvas: Field, s: Field, r: Field, edge_mm: Field
) -> Field:
    """Paint the fat around the heart, uneven, with the pericardium a dark line in it."""
    outside = union(union(shapes.myocardium, shapes.rv_wall, 8.0), shapes.atrial_wall, 8.0)
    # More over the right ventricle and the grooves than along the lateral wall.
    right = coverage(-r, 50.0)
    patches = 0.8 + 0.7 * texture(subject, s, r, 60.0, first=5)
    signal = signals(subject)
    fat_mm = subject.epicardial_fat_mm * (0.3 + 0.8 * right) * jnp.maximum(patches, 0)
    if subject.imaging is not None:
        return paint_pericardium(subject, subject.imaging, canvas, outside, fat_mm, s, r, edge_mm)
    canvas = paint(canvas, outside - fat_mm - 1.5, signal["fat"] * 0.85, 2 * edge_mm)
    line = jnp.abs(outside - 0.6 * fat_mm - 0.8) - 0.7
    return canvas + 0.55 * coverage(line, edge_mm) * coverage(4.0 - fat_mm, 3.0) * (
        signal["bone"] - canvas
    )


def _blood(subject: Subject, pose: Pose, s: Field, r: Field) -> Field:
    """Return the signal of flowing blood: eddies that drift, and voids where jets are fast."""
    eddies = texture(subject, s, r, 17.0, pose.phase)
    swirls = texture(subject, s, r, 7.0, pose.phase, first=4)
    base = pose.length + APEX_WALL * pose.wall
    into_lv = ((s - base + 20.0) / 24.0) ** 2 + ((r + 2.0) / 6.0) ** 2
    out_of_lv = ((s - base + 8.0) / 14.0) ** 2 + ((r - 0.7 * ANNULUS * pose.half_width) / 5.0) ** 2
    into_rv = ((s - base + 16.0) / 22.0) ** 2 + ((r - 0.66 * pose.rv_reach) / 8.0) ** 2
    if subject.imaging is not None:
        return (1 + 0.03 * eddies + 0.02 * swirls) * (
            1 - flow_voids(subject, subject.imaging, pose, s, r, (into_lv, into_rv, out_of_lv))
        )
    voids = pose.inflow * (jnp.exp(-into_lv) + 0.7 * jnp.exp(-into_rv))
    voids += pose.outflow * jnp.exp(-out_of_lv)
    return (1 + 0.03 * eddies + 0.02 * swirls) * (1 - 0.28 * voids)


def _paint_inside(
    subject: Subject, pose: Pose, shapes: Heart, canvas: Field, s: Field, r: Field, edge_mm: Field
) -> Field:
    """Paint what lies in the blood: trabeculae, papillary muscle, moderator band, leaflets."""
    dark = signals(subject)["myocardium"]
    # Trabeculae ride on the wall: their pattern is fixed in coordinates that beat with it.
    along, across = 85 * s / pose.length, 23 * r / pose.half_width
    strands = texture(subject, along, across, 11.0, first=7)
    apical = coverage(s - 0.45 * pose.length, 60.0)
    for depth, thick in ((shapes.rv, 9.0), (shapes.lv, 4.5)):
        near_wall = coverage(depth, edge_mm) * coverage(-depth - thick, thick)
        amount = (
            subject.trabeculation * (0.15 + 0.5 * apical) * jnp.clip(0.8 + 0.35 * strands, 0, 1.3)
        )
        canvas += jnp.clip(near_wall * amount, 0, 0.85) * (dark - canvas)
    inside = coverage(shapes.lv, edge_mm)
    canvas += 0.6 * inside * coverage(shapes.papillary, 1.5 * edge_mm) * (dark - canvas)
    inside = coverage(shapes.rv, edge_mm)
    canvas += 0.45 * inside * coverage(shapes.moderator, 2 * edge_mm) * (dark - canvas)
    leaflets = jnp.minimum(shapes.mitral_leaflets, shapes.tricuspid_leaflets)
    return canvas + 0.5 * coverage(leaflets, edge_mm) * (dark - canvas)
