"""Nearest neighbours among features, and what follows from them: precision, recall, copying."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata

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


def precision_and_recall(
    real: Float[np.ndarray, "n d"], fake: Float[np.ndarray, "m d"]
) -> tuple[float, float]:
    """Return precision and recall (Kynkäänniemi et al. 2019, equations 1 to 3, k = 3).

    Precision is the share of fakes that lie within some real sample's distance to its third
    neighbour; recall the share of reals within some fake's.
    """
    return (
        float(_within_manifold(fake, real).mean()),
        float(_within_manifold(real, fake).mean()),
    )


def _within_manifold(
    queries: Float[np.ndarray, "n d"], manifold: Float[np.ndarray, "m d"]
) -> Bool[np.ndarray, "n"]:
    # A sample is its own nearest, so the third neighbour stands at 3.
    radii = np.concatenate(
        [np.partition(block, NEIGHBOURS, axis=1)[:, NEIGHBOURS] for block in _self(manifold)]
    )
    return np.concatenate(
        [(block <= radii[None]).any(axis=1) for block in _distances(queries, manifold)]
    )


def auc(positive: Float[np.ndarray, "n"], negative: Float[np.ndarray, "m"]) -> float:
    """Return the chance that a positive's value exceeds a negative's, ties counted half."""
    ranks = rankdata(np.concatenate([positive, negative]))
    n, m = len(positive), len(negative)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


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
