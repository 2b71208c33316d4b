"""Signed distances: negative inside, positive outside, in millimetres.

A shape is any smooth function of position that is negative inside. Divided by the length of its
gradient it is a distance to first order, which is exact on the outline, where pixels are decided.
"""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Field = Float[Array, "..."]
Point = tuple[Field | float, Field | float]
Fields = TypeVar("Fields")


def distances(shapes: Callable[[Field, Field], Fields], x: Field, y: Field) -> Fields:
    """Evaluate a pytree of elementwise shapes at positions, and turn each into a distance."""
    one, zero = jnp.ones_like(x), jnp.zeros_like(x)
    # Each output element depends on its own position only, so one forward pass with ones is
    # the partial derivative everywhere.
    value, by_x = jax.jvp(shapes, (x, y), (one, zero))
    _, by_y = jax.jvp(shapes, (x, y), (zero, one))
    return jax.tree.map(
        lambda f, gx, gy: f * jax.lax.rsqrt(gx**2 + gy**2 + 1e-9), value, by_x, by_y
    )


def disc(x: Field, y: Field, radius: Field | float) -> Field:
    """Return the exact distance to a disc about the origin."""
    return jnp.sqrt(x**2 + y**2 + 1e-9) - radius


def ellipse(x: Field, y: Field, semi_x: Field | float, semi_y: Field | float) -> Field:
    """Describe an ellipse about the origin, to be made a distance by `distances`."""
    return jnp.sqrt((x / semi_x) ** 2 + (y / semi_y) ** 2 + 1e-12) - 1


def superellipse(
    x: Field, y: Field, semi_x: Field | float, semi_y: Field | float, power: float
) -> Field:
    """Describe an ellipse with fuller shoulders the greater `power` is above 2."""
    sides = (jnp.abs(x / semi_x) + 1e-6) ** power + (jnp.abs(y / semi_y) + 1e-6) ** power
    return sides ** (1 / power) - 1


def egg(
    x: Field, y: Field, below: Field | float, above: Field | float, semi_y: Field | float
) -> Field:
    """Describe two half ellipses joined at x = 0: semi-axis `below` for x < 0, else `above`."""
    return ellipse(x, y, jnp.where(x < 0, below, above), semi_y)


def segment(x: Field, y: Field, start: Point, end: Point) -> Field:
    """Return the exact distance to a line segment."""
    return taper(x, y, start, end, 0.0, 0.0)


def taper(
    x: Field, y: Field, start: Point, end: Point, start_mm: Field | float, end_mm: Field | float
) -> Field:
    """Return the distance to a segment thickened by a radius that runs from one to another."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    t = jnp.clip(((x - start[0]) * dx + (y - start[1]) * dy) / (dx**2 + dy**2), 0, 1)
    off = jnp.sqrt((x - start[0] - t * dx) ** 2 + (y - start[1] - t * dy) ** 2 + 1e-9)
    return off - start_mm - t * (end_mm - start_mm)


def union(a: Field, b: Field, radius: float) -> Field:
    """Join two distances; the inner corner is rounded over `radius` millimetres."""
    blend = jnp.maximum(radius - jnp.abs(a - b), 0) / radius
    return jnp.minimum(a, b) - blend**2 * radius / 4


def intersection(a: Field, b: Field, radius: float) -> Field:
    """Keep what two distances share; the outer corner is rounded over `radius` millimetres."""
    return -union(-a, -b, radius)


def coverage(distance: Field, edge_mm: Field | float) -> Field:
    """Return how much of a pixel lies inside, for an edge blurred over `edge_mm`."""
    t = jnp.clip(0.5 - distance / edge_mm, 0, 1)
    return t * t * (3 - 2 * t)


def paint(canvas: Field, distance: Field, signal: Field | float, edge_mm: Field | float) -> Field:
    """Lay a tissue over a picture wherever its distance is negative."""
    return canvas + coverage(distance, edge_mm) * (signal - canvas)
