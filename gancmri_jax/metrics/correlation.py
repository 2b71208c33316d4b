"""Pearson's correlation with its interval: of what was asked or known with what was measured."""

import hashlib
import pathlib
from typing import NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Float

from gancmri_jax.cine.phenotypes import FRAME_COLUMNS, read_phenotypes
from gancmri_jax.errors import InputError
from gancmri_jax.metrics.card import Card

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


def correlate_tables(real: pathlib.Path, fake: pathlib.Path) -> list[Card]:
    """Correlate each column that two `phenotypes.csv` share, subject by subject.

    Raises:
        InputError: A table cannot be read, or they share no subject or no column that varies.
    """
    tables = [read_phenotypes(path) for path in (real, fake)]
    subjects = [subject for subject in tables[0] if subject in tables[1]]
    if not subjects:
        raise InputError(f"{real} and {fake} share no subject; names must be written alike")
    columns = [
        column
        for column in tables[0][subjects[0]]
        if column in tables[1][subjects[0]] and column not in FRAME_COLUMNS
    ]
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (real, fake)]
    cards = []
    for column in columns:
        x, y = (np.array([table[subject][column] for subject in subjects]) for table in tables)
        try:
            found = pearson(x, y)
        except InputError:
            continue
        cards.append(
            Card(
                metric=f"pearson_{column}",
                value=found.r,
                n_real=found.n,
                n_fake=found.n,
                size=(0, 0),
                real=str(real),
                real_digest=digests[0],
                fake=str(fake),
                fake_digest=digests[1],
                seed=0,
                interval=(found.low, found.high),
                interval_by=f"Fisher; p = {found.p_value:.2g} of no correlation",
            )
        )
    if not cards:
        raise InputError(f"{real} and {fake} share no column with four values that vary")
    return cards
