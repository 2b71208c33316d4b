"""Statistics of readers: proportions, ranks and agreement.

Exact binomial intervals (Clopper and Pearson, 1934), Friedman's test with Wilcoxon's signed-rank
test of every two kinds, adjusted by Holm (1979), Cohen's (1960) and Fleiss' (1971) kappa.
"""

import itertools
from typing import NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Float, Int

CONFIDENCE = 0.95


class Proportion(NamedTuple):
    """Successes out of n, their rate, its exact 95 % interval, and p of chance alone."""

    successes: int
    n: int
    rate: float
    low: float
    high: float
    p_value: float


class Comparison(NamedTuple):
    """Wilcoxon's statistic of two kinds, by their numbers, its p and Holm's adjusted p."""

    first: int
    second: int
    statistic: float
    p_value: float
    holm_p_value: float


def proportion(successes: int, n: int, chance: float) -> Proportion:
    """Return a proportion with its exact interval, and the two-sided test against `chance`."""
    if n == 0:
        return Proportion(0, 0, np.nan, np.nan, np.nan, np.nan)
    found = scipy.stats.binomtest(successes, n, chance)
    interval = found.proportion_ci(CONFIDENCE, method="exact")
    return Proportion(
        successes,
        n,
        successes / n,
        float(interval.low),
        float(interval.high),
        float(found.pvalue),
    )


def friedman(ranks: Float[np.ndarray, "n k"]) -> tuple[float, float]:
    """Return Friedman's statistic and its p; NaN with fewer than three kinds, or nothing to tell.

    A row is a block, an item, whatever its values are: they are ranked within it, ties shared.
    """
    n, k = ranks.shape
    if n < 2 or k < 3 or not (np.ptp(ranks, axis=1) > 0).any():
        return np.nan, np.nan
    found = scipy.stats.friedmanchisquare(*ranks.T)
    return float(found.statistic), float(found.pvalue)


def compare_pairs(ranks: Float[np.ndarray, "n k"]) -> list[Comparison]:
    """Compare every two columns by Wilcoxon's signed-rank test; rows that tie are left out."""
    pairs = list(itertools.combinations(range(ranks.shape[1]), 2))
    found = []
    for first, second in pairs:
        difference = ranks[:, first] - ranks[:, second]
        difference = difference[difference != 0]
        if not len(difference):
            found.append((0.0, 1.0))
            continue
        test = scipy.stats.wilcoxon(difference)
        found.append((float(test.statistic), float(test.pvalue)))
    adjusted = holm([p for _, p in found])
    return [
        Comparison(*pair, *values, p)
        for pair, values, p in zip(pairs, found, adjusted, strict=True)
    ]


def holm(p_values: list[float]) -> list[float]:
    """Adjust p values for their number by Holm's step-down method."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for step, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def cohen_kappa(
    first: Int[np.ndarray, "n"],
    second: Int[np.ndarray, "n"],
    num_categories: int,
    quadratic: bool = False,
) -> float:
    """Return Cohen's kappa of two sets of answers 0 … num_categories − 1; NaN if chance is all.

    Args:
        first, second: Answers to the same questions.
        num_categories: How many answers there are.
        quadratic: Whether answers are ordered, and weigh by the square of how far they are apart.
    """
    from sklearn.metrics import cohen_kappa_score  # slow to import

    if len({*first.tolist(), *second.tolist()}) < 2:
        return np.nan
    labels, weights = np.arange(num_categories), "quadratic" if quadratic else None
    return float(cohen_kappa_score(first, second, labels=labels, weights=weights))


def fleiss_kappa(counts: Int[np.ndarray, "n k"]) -> float:
    """Return Fleiss' kappa of how many readers gave each answer; NaN if chance is all.

    Every row sums to the number of readers, at least two.
    """
    n, readers = len(counts), counts[0].sum() if len(counts) else 0
    assert readers == 0 or (counts.sum(1) == readers).all()
    if readers < 2:
        return np.nan
    agreeing = ((counts**2).sum(1) - readers) / (readers * (readers - 1))
    by_chance = float(((counts.sum(0) / (n * readers)) ** 2).sum())
    return (float(agreeing.mean()) - by_chance) / (1 - by_chance) if by_chance < 1 else np.nan
