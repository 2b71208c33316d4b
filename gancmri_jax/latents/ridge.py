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
            would do better.
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
    values, vectors = np.linalg.eigh(gram)
    scale = np.trace(gram) / len(gram)
    hearts = len(gram) // rows_a_heart
    blocks = np.arange(len(gram)).reshape(hearts, rows_a_heart)

    def error(part: float) -> float:
        fit = (vectors * (values / (values + part * scale))) @ vectors.T
        # What a heart's own rows have in its fit; the centring gives each 1/n.
        own = fit[blocks[:, :, None], blocks[:, None]] + 1 / len(gram)
        missed = (y - fit @ y).reshape(hearts, rows_a_heart, -1)
        return float(np.square(np.linalg.solve(np.eye(rows_a_heart) - own, missed)).sum())

    errors = [error(part) for part in _RIDGES]
    best = int(np.argmin(errors))
    inverse = (vectors / (values + _RIDGES[best] * scale)) @ vectors.T
    return Ridge(inverse @ y, 1 - errors[best] / float(np.square(y).sum()))
