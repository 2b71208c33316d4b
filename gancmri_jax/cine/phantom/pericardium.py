"""The pericardium with much or little fat on both of its sides, and with effusion in it."""

import jax
import jax.numpy as jnp

from gancmri_jax.cine.phantom.anatomy import Imaging, Subject
from gancmri_jax.cine.phantom.contrast import signals
from gancmri_jax.cine.phantom.shapes import Field, coverage, paint


def paint_pericardium(
    subject: Subject,
    imaging: Imaging,
    canvas: Field,
    outside: Field,
    fat_mm: Field,
    s: Field,
    r: Field,
    edge_mm: Field,
) -> Field:
    """Paint, from without: fat, the pericardium, effusion, and fat on the heart itself.

    Args:
        subject: Whose heart.
        imaging: How much effusion there is, and on which side most of it lies.
        canvas: The chest.
        outside: Distance from the heart's outer surface.
        fat_mm: Thickness of all the fat.
        s, r: Heart coordinates.
        edge_mm: Blur of the edges.
    """
    signal = signals(subject)
    up, out = s - subject.length_mm, r - 15.0 * subject.size
    angle = jnp.deg2rad(imaging.effusion_degrees)
    side = (up * jnp.cos(angle) + out * jnp.sin(angle)) * jax.lax.rsqrt(up**2 + out**2 + 1.0)
    fluid_mm = imaging.effusion_mm * jnp.clip(0.45 + 0.55 * side, 0, 1)
    inner_mm = 0.35 * fat_mm
    sac = outside - inner_mm - fluid_mm
    canvas = paint(canvas, sac - 0.65 * fat_mm - 1.5, 0.85 * signal["fat"], 2 * edge_mm)
    fluid = coverage(sac, edge_mm) * jnp.clip(imaging.effusion_mm, 0, 1)
    canvas += fluid * (0.8 * signal["fluid"] - canvas)
    canvas = paint(canvas, outside - inner_mm, 0.85 * signal["fat"], edge_mm)
    line = coverage(jnp.abs(sac - 0.6) - 0.8, edge_mm)
    return canvas + 0.6 * line * (signal["bone"] - canvas)
