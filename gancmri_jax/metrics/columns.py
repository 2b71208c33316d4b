"""Metrics of kind `tables`: column by column of two `phenotypes.csv`."""

import hashlib
import pathlib

import numpy as np

from gancmri_jax.cine.phenotypes import FRAME_COLUMNS, read_flags, read_phenotypes
from gancmri_jax.errors import InputError
from gancmri_jax.metrics.card import Card
from gancmri_jax.metrics.names import MetricName


def compare_tables(
    asked: MetricName, real: pathlib.Path, fake: pathlib.Path, keep_flagged: bool = False
) -> list[Card]:
    """Measure each column that two `phenotypes.csv` share, subject by subject.

    Args:
        asked: The metric.
        real: A table.
        fake: Another table.
        keep_flagged: Include subjects whose segmentation either table flags; the cards' `details`
            say how many were left out.

    Raises:
        InputError: A table cannot be read, or they share no subject, none without flags, or no
            column that varies.
    """
    tables = [read_phenotypes(path) for path in (real, fake)]
    shared = [subject for subject in tables[0] if subject in tables[1]]
    if not shared:
        raise InputError(f"{real} and {fake} share no subject; names must be written alike")
    flagged = set() if keep_flagged else {*read_flags(real), *read_flags(fake)}
    subjects = [subject for subject in shared if subject not in flagged]
    if not subjects:
        raise InputError(
            f"{real} and {fake}: all {len(shared)} shared subjects are flagged; look at them, or "
            "use --keep-flagged"
        )
    left_out = len(shared) - len(subjects)
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
            found = asked.metric.function(x, y)
        except InputError:
            continue
        cards.append(
            Card(
                metric=f"{asked.name}_{column}",
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
                details=f"{left_out} flagged subjects left out" if left_out else "",
                interval_by=f"{asked.metric.interval}; p = {found.p_value:.2g} of no correlation",
            )
        )
    if not cards:
        raise InputError(
            f"{real} and {fake} share no column with {asked.metric.least} values that vary"
        )
    return cards
