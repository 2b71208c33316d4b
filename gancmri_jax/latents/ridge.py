"""Ridge regression of few hearts' many-numbered codes, through the products of their codes.

The ridge is the one of the least error where each heart is left out in turn, and none of it in the
fit that foretells it.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

_RIDGES = np.logspace(-3, 2, 26)  # of the mean square of the codes


class Ridge(NamedTuple):
    """A fit of y over centred codes x: a new code x is foretold x xᵀ `weights`.

    Attributes:
        weights: One column for each column of y.
        explained: The part of y's square that is foretold of hearts left out; below 0, the mean
            would do better. 0 where there is nothing to foretell, or to foretell it by.
    """

    weights: Float[np.ndarray, "n k"]
    explained: float


def ridge(
    gram: Float[np.ndarray, "n n"], y: Float[np.ndarray, "n k"], rows_a_heart: int = 1
) -> Ridge:
    """Fit y over codes.

    Args:
        gram: x xᵀ of the centred codes.
        y: What is to be foretold, centred.
        rows_a_heart: Rows that belong together, one heart's after another's.
    """
    scale, size = np.trace(gram) / len(gram), float(np.square(y).sum())
    if scale == 0 or size == 0:
        return Ridge(np.zeros_like(y), 0.0)
    values, vectors = np.linalg.eigh(gram)
    by_heart = vectors.reshape(-1, rows_a_heart, len(gram))

    def error(part: float) -> float:
        kept = values / (values + part * scale)
        # What a heart's own rows have in its fit; the centring gives each 1/n.
        own = (by_heart * kept) @ by_heart.swapaxes(1, 2) + 1 / len(gram)
        missed = y - vectors @ (kept[:, None] * (vectors.T @ y))
        missed = missed.reshape(len(by_heart), rows_a_heart, -1)
        return float(np.square(np.linalg.solve(np.eye(rows_a_heart) - own, missed)).sum())

    errors = [error(part) for part in _RIDGES]
    best = int(np.argmin(errors))
    inverse = (vectors / (values + _RIDGES[best] * scale)) @ vectors.T
    return Ridge(inverse @ y, 1 - errors[best] / size)
