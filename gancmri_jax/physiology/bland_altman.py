"""Bias and limits of agreement between two measurements (Bland and Altman, Lancet 1986)."""

import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gancmri_jax.atomic import atomic_write

COLUMNS = {  # of phenotypes.csv: name, unit, digits
    "lv_area_ed_cm2": ("LV area at ED", "cm²", 1),
    "lv_area_es_cm2": ("LV area at ES", "cm²", 1),
    "lv_fac_percent": ("FAC", "percentage points", 1),
}
NORMAL_95 = 1.96  # standard deviations on either side of the mean that hold 95 %


class Agreement(NamedTuple):
    """How measurements differ from true values.

    Attributes:
        bias: Mean of measurement minus truth.
        low: The lower 95 % limit of agreement, bias − 1.96 SD; NaN for a single pair.
        high: The upper one.
        pairs: How many pairs both values of which are known.
    """

    bias: float
    low: float
    high: float
    pairs: int


class Pair(NamedTuple):
    """What was measured of a cine and what is true, by column, and whether it is flagged."""

    measured: Mapping[str, float]
    true: Mapping[str, float]
    flagged: bool


def agreement(pairs: Sequence[Pair], column: str) -> Agreement | None:
    """Return bias and limits of a column, None where no pair is known."""
    apart = [
        pair.measured[column] - pair.true[column]
        for pair in pairs
        if math.isfinite(pair.measured[column]) and math.isfinite(pair.true[column])
    ]
    if not apart:
        return None
    bias = float(np.mean(apart))
    spread = NORMAL_95 * float(np.std(apart, ddof=1)) if len(apart) > 1 else math.nan
    return Agreement(bias, bias - spread, bias + spread, len(apart))


def describe_agreement(pairs: Sequence[Pair]) -> list[str]:
    """Say bias and limits of each column, a line each; of what no pair has, nothing."""
    lines = []
    for column, (name, unit, digits) in COLUMNS.items():
        if (found := agreement(pairs, column)) is None:
            continue
        line = f"{name}: bias {_signed(found.bias, digits)} {unit}"
        if not math.isnan(found.low):
            low, high = (_signed(value, digits) for value in (found.low, found.high))
            line += f", 95 % limits of agreement {low} to {high}"
        lines.append(f"{line} ({found.pairs} {'cine' if found.pairs == 1 else 'cines'})")
    return lines


def plot_agreement(path: pathlib.Path, pairs: Sequence[Pair], keep_flagged: bool) -> bool:
    """Plot differences over means, a panel a column; return whether there was anything to plot.

    Flagged cines are hollow circles, and count for bias and limits with `keep_flagged` alone.
    """
    kept = [pair for pair in pairs if keep_flagged or not pair.flagged]
    known = [column for column in COLUMNS if agreement(pairs, column) is not None]
    if not known:
        return False
    from matplotlib.figure import Figure  # slow to import

    figure = Figure(figsize=(3.6 * len(known), 3.3), dpi=120, layout="constrained")
    for axes, column in zip(figure.subplots(1, len(known), squeeze=False)[0], known, strict=True):
        name, unit, digits = COLUMNS[column]
        for flagged in (True, False):
            some = [pair for pair in pairs if pair.flagged == flagged]
            measured = np.array([pair.measured[column] for pair in some])
            true = np.array([pair.true[column] for pair in some])
            face = "none" if flagged else "#c0392b"
            axes.scatter((measured + true) / 2, measured - true, 14, face, edgecolors="#c0392b")
        if (found := agreement(kept, column)) is not None:
            lines = ((found.bias, "-"), (found.low, "--"), (found.high, "--"))
            for value, style in lines:
                if math.isfinite(value):
                    axes.axhline(value, color="#2c3e50", linewidth=1, linestyle=style)
                    text = _signed(value, digits)
                    at = (1, value)
                    way = axes.get_yaxis_transform()
                    axes.annotate(text, at, (-2, 2), way, "offset points", ha="right", fontsize=8)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel(f"mean of measured and true, {'%' if column.endswith('percent') else unit}")
        axes.set_ylabel(f"measured − true, {unit}")
        axes.margins(y=0.15)
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_write(path) as part:
        figure.savefig(part)
    return True


def _signed(value: float, digits: int) -> str:
    text = f"{value:+.{digits}f}"
    return text.replace("-", "−") if float(text) else text[1:]
