"""Geometry of outlines: area, and the smallest rectangle around one, as hearts are measured."""

import numpy as np
from jaxtyping import Float


def polygon_area(points: Float[np.ndarray, "n 2"]) -> float:
    """Return the area inside a closed polygon."""
    x, y = points.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def sides_of_smallest_rectangle(points: Float[np.ndarray, "n 2"]) -> tuple[float, float]:
    """Return the short and the long side of the rectangle of least area around a polygon.

    Such a rectangle lies along one edge of the convex hull, so trying every edge finds it; the
    edges of a polygon that are not on its hull do no harm.
    """
    edges = np.roll(points, -1, axis=0) - points
    along = edges / np.linalg.norm(edges, axis=1, keepdims=True)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    sides = np.stack([np.ptp(points @ along.T, axis=0), np.ptp(points @ across.T, axis=0)])
    short, long = np.sort(sides[:, np.argmin(sides.prod(axis=0))])
    return float(short), float(long)
