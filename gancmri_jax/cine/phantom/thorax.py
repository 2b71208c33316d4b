"""The chest around the heart: skin and fat, muscle, ribs, sternum, lungs, liver, spine, aorta.

It holds still: cines are acquired in a breath hold.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from gancmri_jax.cine.phantom.anatomy import NUM_VESSELS, Subject
from gancmri_jax.cine.phantom.contrast import Signals, signals, texture
from gancmri_jax.cine.phantom.organs import paint_arms, paint_organs
from gancmri_jax.cine.phantom.shapes import (
    Field,
    disc,
    distances,
    ellipse,
    intersection,
    paint,
    segment,
    superellipse,
    taper,
    union,
)

RIB_EVERY_DEGREES = 24.0


def chest_coordinates(subject: Subject, x: Field, y: Field) -> tuple[Field, Field]:
    """Turn display millimetres into the chest's, from its middle; a large chest's are fewer."""
    x = x - subject.chest_mm[0] + 24.0
    y = y - subject.chest_mm[1] - 22.0
    if subject.imaging is None:
        return x, y
    scale, warp = subject.imaging.chest_scale, subject.imaging.chest_warp_mm
    by_x = warp * texture(subject, x, y, 160.0, first=6)
    by_y = warp * texture(subject, x, y, 160.0, first=8)
    return x / scale + by_x, y / scale + by_y


def inside_ribs(subject: Subject, x: Field, y: Field) -> Field:
    """Describe the room for heart and lungs, at positions in the chest."""
    stout = 1 + 0.05 * subject.habitus
    return superellipse(x, y - 0.0012 * x**2 + 5.0, 120.0 * stout, 87.0 * stout, 2.3)


def thorax(subject: Subject, x: Field, y: Field, edge_mm: Field | float) -> Field:
    """Paint the chest in multiples of blood's signal.

    Args:
        subject: Whose chest.
        x: Position to the right of the picture's centre (the subject's left), in millimetres.
        y: Position below it (towards the back).
        edge_mm: Blur of the edges: the size of a pixel.
    """
    stout = 1 + 0.05 * subject.habitus
    x, y = chest_coordinates(subject, x, y)
    fat = subject.subcutaneous_fat_mm
    signal = signals(subject)

    def outlines(x: Field, y: Field) -> tuple[Field, ...]:
        sloping = y - 0.0012 * x**2
        cavity = inside_ribs(subject, x, y)
        torso = superellipse(x, sloping - 4.0, 144.0 * stout, 126.0 * stout, 2.4)
        liver = ellipse(
            x + 76.0 + 5 * subject.liver,
            y + 30.0,
            36.0 + 7 * subject.liver,
            44.0 + 9 * subject.liver,
        )
        vertebra = superellipse(x, y - 78.0, 19.0, 14.0, 2.6)
        return cavity, torso, liver, vertebra

    cavity, torso, liver, vertebra = distances(outlines, x, y)
    mottle = texture(subject, x, y, 50.0)
    grain = texture(subject, x, y, 9.0, first=3)

    picture = jnp.zeros_like(x)
    picture = paint(picture, torso - fat, signal["bone"], edge_mm)  # skin
    picture = paint(picture, torso - fat + 2.0, signal["fat"] * (0.9 + 0.06 * mottle), edge_mm)
    muscle = signal["muscle"] * (1 + 0.10 * mottle)
    picture = paint(picture, torso + 0.6 * mottle, muscle, 3.0)
    # Layers of muscle have seams of fat between them.
    seam = jnp.abs(torso + 11.0 + 3.0 * mottle) - 0.8 - 0.5 * grain
    picture = paint(picture, seam, 0.5 * signal["fat"], 3.0)
    picture = _paint_ribs(picture, signal, x, y, cavity, edge_mm)
    lung = signal["lung"] * (1 + 0.25 * grain)
    picture = paint(picture, cavity, lung, 2.0)
    picture = _paint_vessels(picture, subject, x, y, cavity, edge_mm)
    if subject.imaging is None:
        # The dome is partly in the slice, so its edge is wide.
        dome = intersection(liver, cavity + 2.0, 4.0)
        picture = paint(picture, dome, signal["liver"] * (1 + 0.06 * grain), 22.0)
    else:
        picture = paint_organs(subject.imaging, signal, picture, x, y, cavity, (mottle, grain))
        picture = paint_arms(subject.imaging, signal, picture, x, y, 144.0 * stout + fat, mottle)
    picture = _paint_front(picture, subject, x, y, mottle, edge_mm)
    return _paint_back(picture, subject, x, y, vertebra, grain, edge_mm)


def _paint_ribs(
    canvas: Field, signal: Signals, x: Field, y: Field, cavity: Field, edge_mm: Field | float
) -> Field:
    around = jnp.rad2deg(jnp.arctan2(y, x)) / RIB_EVERY_DEGREES
    off_centre = (around - jnp.round(around)) * jnp.deg2rad(RIB_EVERY_DEGREES)
    along = off_centre * jnp.sqrt(x**2 + y**2 + 1.0)
    rib = jnp.sqrt((along / 1.9) ** 2 + (cavity - 7.0) ** 2 + 1e-6) - 5.0
    canvas = paint(canvas, jnp.abs(cavity - 1.2) - 1.0, 0.5 * signal["fat"], 2.5)
    canvas = paint(canvas, rib, 0.12, 3.5)
    return paint(canvas, rib + 1.8, signal["marrow"], 3.0)


def _paint_vessels(
    canvas: Field, subject: Subject, x: Field, y: Field, cavity: Field, edge_mm: Field | float
) -> Field:
    """Strew pulmonary vessels around the two hila, smaller the further out."""

    def add(canvas: Field, vessel: tuple[Array, Array]) -> tuple[Field, None]:
        side, (out, down, wide) = vessel
        hilum_x = jnp.where(side > 0, 56.0, -46.0)
        start = (hilum_x + 15.0 * out, 52.0 + 13.0 * down)
        reach = 5.0 * jnp.maximum(wide, 0) ** 2
        heading = jnp.arctan2(start[1] - 40.0, start[0] - 0.7 * hilum_x)
        end = (start[0] + 0.5 + reach * jnp.cos(heading), start[1] + reach * jnp.sin(heading))
        radius = 1.9 + 0.7 * down - 0.25 * wide
        vessel_mm = intersection(segment(x, y, start, end) - radius, cavity + 4.0, 1.0)
        return paint(canvas, vessel_mm, 0.62 - 0.12 * wide, 2.5 + edge_mm), None

    sides = jnp.where(jnp.arange(NUM_VESSELS) % 3 == 0, -1.0, 1.0)  # more on the side of the heart
    return jax.lax.scan(add, canvas, (sides, subject.vessels))[0]


def _paint_front(
    canvas: Field, subject: Subject, x: Field, y: Field, mottle: Field, edge_mm: Field | float
) -> Field:
    """Paint fat behind the sternum, the sternum, and the pectoral muscles beside it."""
    signal = signals(subject)
    # Fat fills the angle between the heart, the front wall and the right lung.
    band = segment(x, y, (-34.0, -84.0), (46.0, -80.0)) - 6.0
    corner = taper(x, y, (-26.0, -66.0), (-60.0, -52.0), 22.0, 9.0 + 3.0 * subject.habitus)
    pad = union(band, corner, 20.0) + 3.5 * mottle
    canvas = paint(canvas, pad, signal["fat"] * (0.72 + 0.12 * mottle), 10.0)
    pectorals = jnp.minimum(
        segment(x, y, (-44.0, -100.0), (-14.0, -106.0)),
        segment(x, y, (14.0, -106.0), (44.0, -100.0)),
    )
    canvas = paint(canvas, pectorals - 7.0, signal["muscle"] * (0.7 + 0.1 * mottle), 3.0)
    sternum = segment(x, y, (-9.0, -95.0), (9.0, -95.0))
    canvas = paint(canvas, sternum - 6.5, 0.12, 3.0)
    return paint(canvas, sternum - 5.0, signal["marrow"], 3.0)


def _paint_back(
    canvas: Field,
    subject: Subject,
    x: Field,
    y: Field,
    vertebra: Field,
    grain: Field,
    edge_mm: Field | float,
) -> Field:
    """Paint the spine with its canal, the muscles beside it, oesophagus and descending aorta."""
    signal = signals(subject)
    block = union(vertebra - 6.0, segment(x, y, (0.0, 98.0), (0.0, 122.0)) - 12.0, 10.0)
    canvas = paint(canvas, block, 0.8 * signal["muscle"], 5.0)
    muscles = jnp.minimum(
        segment(x, y, (-28.0, 106.0), (-40.0, 116.0)), segment(x, y, (28.0, 106.0), (40.0, 116.0))
    )
    canvas = paint(canvas, muscles - 14.0, signal["muscle"] * (1 + 0.1 * grain), 3.0)
    canvas = paint(canvas, vertebra, signal["marrow"] * (1 + 0.12 * grain), edge_mm)
    canvas = paint(canvas, jnp.abs(vertebra) - 0.6, 0.1, 3.0)
    canal = disc(x, y - 99.5, 0.0)
    canvas = paint(canvas, canal - 8.0, 0.8 * signal["fluid"], edge_mm)
    canvas = paint(canvas, canal - 4.6, signal["muscle"], edge_mm)
    oesophagus = disc(x - 8.0, y - 56.0, 5.5)
    canvas = paint(canvas, oesophagus, signal["muscle"], 3.0)
    aorta = disc(x - 30.0, y - 69.0, subject.aorta_mm)
    canvas = paint(canvas, aorta - 1.5, signal["muscle"], edge_mm)
    return paint(canvas, aorta, 1.02 + 0.03 * grain, edge_mm)
