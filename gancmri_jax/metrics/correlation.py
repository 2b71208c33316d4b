"""Pearson's correlation with its interval: of what was asked or known with what was measured."""

from typing import NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Float

from gancmri_jax.errors import InputError

_LEAST = 4  # Fisher's interval divides by the root of n − 3


class Correlation(NamedTuple):
    """r, its 95 % interval by Fisher's transformation, the p value of no correlation, and n."""

    r: float
    low: float
    high: float
    p_value: float
    n: int


def pearson(x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]) -> Correlation:
    """Correlate pairs, leaving out those with a missing value (NaN).

    Raises:
        InputError: Fewer than four pairs, or one side is constant.
    """
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < _LEAST:
        raise InputError(f"a correlation needs at least {_LEAST} pairs of values, got {len(x)}")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        raise InputError("a correlation needs values that differ, and one side is constant")
    result = scipy.stats.pearsonr(x, y)
    low, high = result.confidence_interval(0.95)
    return Correlation(
        float(result.statistic), float(low), float(high), float(result.pvalue), len(x)
    )
