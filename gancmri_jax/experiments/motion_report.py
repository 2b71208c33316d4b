"""The table of motions, for people, and the ventricle's area over the beats as a picture."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from gancmri_jax.atomic import atomic_write
from gancmri_jax.disclaimer import PAGE_FOOTER
from gancmri_jax.experiments.journal import Result
from gancmri_jax.experiments.motion_table import BAND, REAL

_TITLES = (
    "motion",
    "to ES",
    "closure",
    "roughness",
    "FAC, % (5th to 95th)",
    "within real, %",
    "ES, % of beat",
    "walls, %",
    "mitral plane, mm",
    "LA, %",
    "RA, %",
)


def write_markdown(
    path: pathlib.Path, rows: Sequence[dict[str, Any]], told: Sequence[str] = ()
) -> None:
    """Write the table for people, `told` above it."""
    lines = [*told, "", f"| {' | '.join(_TITLES)} |", "|---" * len(_TITLES) + "|"]
    for row in rows:
        low, high = row["fac_band"]
        cells = [
            row["motion"],
            _cell(row.get("peak"), ".0%"),
            _cell(row.get("closure"), ".2f"),
            _cell(row.get("roughness"), ".2f"),
            f"{_cell(row['lv_fac_percent'], '.1f')} ({_cell(low, '.0f')} to {_cell(high, '.0f')})",
            _cell(row["within_percent"], ".0f"),
            _cell(row["es_percent"], ".0f"),
            _cell(row["wall_thickening_percent"], "+.1f"),
            _cell(row["mitral_descent_mm"], ".1f"),
            _cell(row["la_filling_percent"], "+.1f"),
            _cell(row["ra_filling_percent"], "+.1f"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    with atomic_write(path) as part:
        part.write_text("\n".join([*lines, "", f"*{PAGE_FOOTER}*"]).strip() + "\n")


def draw_curves(path: pathlib.Path, results: dict[str, Result]) -> None:
    """Draw the left ventricle's area over that at ED: real beats as a band, motions as lines."""
    from matplotlib.figure import Figure  # slow to import

    figure = Figure(figsize=(7, 4.2), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    real = _curves(results[REAL])
    at = 100 * np.arange(real.shape[1]) / real.shape[1]
    low, high = np.nanpercentile(real, BAND, axis=0)
    axes.fill_between(at, low, high, color="#bdc3c7", alpha=0.6, label="real, middle 90 %")
    axes.plot(at, np.nanmedian(real, axis=0), color="#2c3e50", linewidth=2.5, label="real, median")
    for name, result in results.items():
        if name != REAL:
            axes.plot(at, np.nanmedian(_curves(result), axis=0), label=name, linewidth=1.4)
    axes.set_xlabel("part of the beat, %")
    axes.set_ylabel("LV area over that at ED")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, ncols=2)
    with atomic_write(path) as part:
        figure.savefig(part)


def _curves(result: Result) -> Float[np.ndarray, "heart frame"]:
    return np.array(result["curves"], np.float64)  # None becomes NaN


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None or not np.isfinite(value) else format(value, form).replace("-", "−")
