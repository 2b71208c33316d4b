"""What lies beside the heart in a wide frame: liver, stomach, spleen, and the arms.

They are painted below the heart, so that none ever covers it.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from gancmri_jax.cine.phantom.anatomy import Imaging
from gancmri_jax.cine.phantom.contrast import Signals
from gancmri_jax.cine.phantom.shapes import (
    Field,
    coverage,
    disc,
    distances,
    intersection,
    paint,
    superellipse,
    taper,
)


def paint_organs(
    imaging: Imaging,
    signal: Signals,
    canvas: Field,
    x: Field,
    y: Field,
    cavity: Field,
    patterns: tuple[Field, Field],
) -> Field:
    """Paint the organs below the diaphragm that reach into the slice.

    Args:
        imaging: Which there are, and how large.
        signal: Of each tissue.
        canvas: The chest.
        x, y: Position in the chest.
        cavity: Distance from the inside of the ribs.
        patterns: A coarse and a fine texture.
    """
    mottle, grain = patterns

    def outlines(x: Field, y: Field) -> tuple[Field, ...]:
        shapes = (imaging.liver, imaging.stomach)
        return tuple(
            superellipse(x - across, y - down, jnp.abs(a) + 1.0, jnp.abs(b) + 1.0, 2.3)
            for across, down, a, b in shapes
        )

    liver, stomach = distances(outlines, x, y)
    room = cavity + 1.5
    spleen = intersection(room, -(cavity + 0.8 * imaging.spleen_mm), 6.0)  # along the ribs …
    spleen = intersection(spleen, disc(x - 100.0, y - 42.0, 1.2 * imaging.spleen_mm), 8.0)
    canvas = paint(canvas, spleen, 1.3 * signal["liver"] * (1 + 0.03 * grain), 4.0)

    stomach = intersection(stomach + 3.0 * mottle, room, 4.0)
    held = imaging.stomach_filling * (1 + 0.04 * grain + 0.12 * mottle)
    gas = coverage(y - imaging.stomach[1] - imaging.stomach_level * imaging.stomach[3], 4.0)
    inside = held + gas * (0.06 - held)
    there = imaging.stomach[2] > 0
    canvas = jnp.where(there, paint(canvas, stomach, 0.9 * signal["muscle"], 3.0), canvas)
    canvas = jnp.where(there, paint(canvas, stomach + 4.0, inside, 3.0), canvas)

    liver = intersection(liver + 4.0 * mottle, room, 6.0)
    liver = jnp.where(imaging.liver[2] > 0, liver, 1e3)
    canvas = paint(canvas, liver, signal["liver"] * (1 + 0.03 * grain + 0.05 * mottle), 7.0)
    # What bends the coarse texture bends the veins.
    return _paint_vessels(imaging, signal, canvas, x + 7.0 * mottle, y + 5.0 * mottle, liver)


def _paint_vessels(
    imaging: Imaging, signal: Signals, canvas: Field, x: Field, y: Field, liver: Field
) -> Field:
    """Strew veins in the liver, of which the widest are as bright as a heart's chamber."""
    across, down, a, b = imaging.liver

    def add(canvas: Field, vessel: Array) -> tuple[Field, None]:
        out, turn, heading, size = vessel
        angle = 2 * jnp.pi * turn
        start = (
            across + 0.85 * a * jnp.sqrt(out) * jnp.cos(angle),
            down + 0.85 * b * jnp.sqrt(out) * jnp.sin(angle),
        )
        # Veins run towards the inferior vena cava, beside the spine.
        homewards = jnp.arctan2(45.0 - start[1], -25.0 - start[0]) + 1.6 * (heading - 0.5)
        long = 8.0 + 40.0 * heading * size
        end = (start[0] + long * jnp.cos(homewards), start[1] + long * jnp.sin(homewards))
        wide = 1.0 + 4.0 * size**3
        vein = jnp.maximum(taper(x, y, start, end, 0.2 * wide, wide), liver + 3.0)
        # Thin veins are only partly in the slice.
        shown = (0.35 + 0.65 * size) * coverage(vein, 4.5)
        return canvas + shown * (signal["blood"] - canvas), None

    return jax.lax.scan(add, canvas, imaging.liver_vessels)[0]


def paint_arms(
    imaging: Imaging,
    signal: Signals,
    canvas: Field,
    x: Field,
    y: Field,
    side_mm: Field | float,
    mottle: Field,
) -> Field:
    """Paint the arms beside the chest: fat, muscle and a bone, `side_mm` from the middle."""
    for side, radius in zip((-1.0, 1.0), imaging.arms_mm, strict=True):
        arm = disc(x - side * (side_mm + radius + 6.0), 0.85 * (y - 35.0), radius) + 2.0 * mottle
        arm = jnp.where(radius > 0, arm, 1e3)
        canvas = paint(canvas, arm, 0.95 * signal["fat"], 3.0)
        canvas = paint(canvas, arm + 0.22 * radius, signal["muscle"] * (1 + 0.1 * mottle), 4.0)
        canvas = paint(canvas, arm + 0.70 * radius, signal["bone"], 2.0)
        canvas = paint(canvas, arm + 0.80 * radius, signal["marrow"], 2.0)
    return canvas
