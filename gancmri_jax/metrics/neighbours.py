"""Nearest neighbours among features: distances to them, and the manifold that they span."""

import numpy as np
from jaxtyping import Bool, Float, Int

NEIGHBOURS = 3


def nearest(
    queries: Float[np.ndarray, "n d"], among: Float[np.ndarray, "m d"]
) -> tuple[Float[np.ndarray, "n"], Int[np.ndarray, "n"]]:
    """Return the Euclidean distance of each query to the nearest of `among`, and which that is."""
    from sklearn.metrics import pairwise_distances_argmin_min  # slow to import

    indices, distances = pairwise_distances_argmin_min(queries, among)
    return distances, indices


def within_manifold(
    queries: Float[np.ndarray, "n d"], samples: Float[np.ndarray, "m d"]
) -> Bool[np.ndarray, "n"]:
    """Return which queries lie in the manifold of samples (Kynkäänniemi et al. 2019, equation 1).

    That is within some sample's distance to its third neighbour. Precision is the share of fakes in
    the manifold of reals; recall the share of reals in that of fakes (equations 2 and 3).
    """
    from sklearn.metrics import pairwise_distances_chunked  # slow to import
    from sklearn.neighbors import NearestNeighbors

    # Without queries, a sample is no neighbour of its own.
    neighbours = NearestNeighbors(n_neighbors=NEIGHBOURS, algorithm="brute").fit(samples)
    radii = neighbours.kneighbors()[0][:, -1]
    blocks = pairwise_distances_chunked(
        queries, samples, reduce_func=lambda block, start: (block <= radii[None]).any(axis=1)
    )
    return np.concatenate(list(blocks))
