"""Artefacts: bands where bSSFP is off resonance, and the voids that sternal wires leave."""

import math

import jax.numpy as jnp

from gancmri_jax.cine.phantom.anatomy import Imaging, Subject
from gancmri_jax.cine.phantom.contrast import FLIP_DEGREES, TISSUES, texture
from gancmri_jax.cine.phantom.shapes import Field, disc

REPETITION_MS = 3.2
STERNUM_MM = (0.0, -95.0)  # in the chest


def band_profile(turns: Field) -> Field:
    """Return the signal where spins run `turns` ahead in a repetition time; on resonance it is 1.

    Freeman and Hill, J Magn Reson 1971, for blood, with the excitation's phase alternating; it
    vanishes at half a turn, to which a band's middle belongs.
    """
    _, t1_ms, t2_ms = TISSUES["blood"]
    alpha = math.radians(FLIP_DEGREES)
    e1, e2 = math.exp(-REPETITION_MS / t1_ms), math.exp(-REPETITION_MS / t2_ms)

    def magnitude(cosine: Field | float) -> Field:
        across = jnp.sqrt(jnp.maximum(1 + e2**2 - 2 * e2 * cosine, 0))
        down = (1 - e1 * math.cos(alpha)) * (1 - e2 * cosine)
        return across / (down - e2 * (e1 - math.cos(alpha)) * (e2 - cosine))

    return magnitude(jnp.cos(jnp.pi + 2 * jnp.pi * turns)) / magnitude(-1.0)


def turns(subject: Subject, imaging: Imaging, x: Field, y: Field) -> Field:
    """Return how far spins run ahead in a repetition time: shim, slopes, curves, and patches."""
    level, by_x, by_y, curve, cross, patches = imaging.off_resonance
    x, y = x / 150.0, y / 150.0  # half of a usual frame
    smooth = level + by_x * x + by_y * y + curve * (x**2 - y**2) + cross * 2 * x * y
    return smooth + patches * texture(subject, 150.0 * x, 150.0 * y, 170.0, first=1)


def banding(subject: Subject, imaging: Imaging, x: Field, y: Field) -> Field:
    """Return the factor by which off-resonance changes the signal."""
    return band_profile(turns(subject, imaging, x, y))


def wire_voids(imaging: Imaging, x: Field, y: Field) -> Field:
    """Return the factor by which wires change the signal: a void in a bright rim, in the chest."""
    factor = jnp.ones_like(x)
    for across, down, radius in imaging.wires:
        far = disc(x - STERNUM_MM[0] - across, 0.8 * (y - STERNUM_MM[1] - down), 0.0)
        size = jnp.maximum(radius, 1.0)
        void = 1 / (1 + (far / size) ** -6)
        rim = 0.5 * jnp.exp(-(((far - 1.5 * size) / (0.25 * size)) ** 2))
        factor *= jnp.where(radius > 0, void + rim, 1.0)
    return factor
