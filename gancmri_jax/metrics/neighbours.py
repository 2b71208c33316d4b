"""Nearest neighbours among features: distances to them, and the manifold that they span."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int

NEIGHBOURS = 3

_FEATURES_AT_ONCE = 2**15


def nearest(
    queries: Float[np.ndarray, "n d"], among: Float[np.ndarray, "m d"]
) -> tuple[Float[np.ndarray, "n"], Int[np.ndarray, "n"]]:
    """Return the Euclidean distance of each query to the nearest of `among`, and which that is."""
    distances, indices = [], []
    for block in _distances(queries, among):
        indices.append(block.argmin(axis=1))
        distances.append(block.min(axis=1))
    return np.concatenate(distances), np.concatenate(indices)


def within_manifold(
    queries: Float[np.ndarray, "n d"], samples: Float[np.ndarray, "m d"]
) -> Bool[np.ndarray, "n"]:
    """Return which queries lie in the manifold of samples (Kynkäänniemi et al. 2019, equation 1).

    That is within some sample's distance to its third neighbour. Precision is the share of fakes in
    the manifold of reals; recall the share of reals in that of fakes (equations 2 and 3).
    """
    # A sample is its own nearest, so the third neighbour stands at 3.
    radii = np.concatenate(
        [np.partition(block, NEIGHBOURS, axis=1)[:, NEIGHBOURS] for block in _self(samples)]
    )
    return np.concatenate(
        [(block <= radii[None]).any(axis=1) for block in _distances(queries, samples)]
    )


def _self(points: Float[np.ndarray, "n d"]) -> Iterator[Float[np.ndarray, "block n"]]:
    first = 0
    for block in _distances(points, points):
        rows = np.arange(len(block))
        block[rows, first + rows] = 0  # which rounding might have made a little more
        first += len(block)
        yield block


def _distances(
    queries: Float[np.ndarray, "n d"], among: Float[np.ndarray, "m d"], block: int = 1024
) -> Iterator[Float[np.ndarray, "block m"]]:
    """Yield distances in blocks of queries, from ‖x‖² + ‖y‖² − 2 x·y about the mean of `among`.

    Sums are in float64, over a part of the features at a time, since those can be many.
    """
    for first in range(0, len(queries), block):
        some = queries[first : first + block]
        squared = np.zeros((len(some), len(among)))
        for start in range(0, among.shape[1], _FEATURES_AT_ONCE):
            part = slice(start, start + _FEATURES_AT_ONCE)
            y = among[:, part].astype(np.float64)
            centre = y.mean(axis=0)
            x, y = some[:, part] - centre, y - centre
            squared += np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1)[None]
            squared -= 2 * x @ y.T
        yield np.sqrt(np.clip(squared, 0, None))
