"""A value and its standard error, and the 95 % interval that follows from them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

_QUANTILE = 1.96  # of the normal distribution, for 95 %


class Estimate(NamedTuple):
    """A value, and its standard error where that is known."""

    value: float
    error: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of a normal distribution."""
        if self.error is None:
            return None
        return self.value - _QUANTILE * self.error, self.value + _QUANTILE * self.error


def mean(values: Sequence[float]) -> Estimate:
    """Return the mean; its standard error needs two values at least, all finite."""
    value = float(np.mean(values))
    if len(values) < 2 or not np.isfinite(value):
        return Estimate(value)
    return Estimate(value, float(np.std(values, ddof=1) / len(values) ** 0.5))


def share(hits: Bool[np.ndarray, "n"]) -> Estimate:
    """Return the share of hits, with the standard error of a binomial distribution."""
    value = float(hits.mean())
    return Estimate(value, (value * (1 - value) / len(hits)) ** 0.5)


def bootstrap_error(
    value: Callable[[np.ndarray, np.ndarray], float],
    real: Float[np.ndarray, "n d"],
    fake: Float[np.ndarray, "m d"],
    resamples: int,
    rng: np.random.Generator,
    on_done: Callable[[int], object],
) -> float:
    """Return the spread of a value over resamples of both sets.

    Resampling repeats samples, which moves a distance up: only the spread is of use.
    """
    values = []
    for _ in range(resamples):
        a, b = (s[rng.integers(len(s), size=len(s))] for s in (real, fake))
        values.append(value(a, b))
        on_done(1)
    return float(np.std(values, ddof=1))
