"""The left ventricle's area over the beat, as a plot and as numbers."""

import math
import pathlib

import numpy as np

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.cine import Cine
from gancmri_jax.physiology.phenotypes import Findings
from gancmri_jax.tables import rounded, write_table


def write_curve(path: pathlib.Path, findings: Findings, cine: Cine) -> None:
    """Write a table of frame, time, area and smoothed area; what is not known stays empty."""
    unknown = math.isnan(cine.spacing_mm[0])
    areas = findings.areas_cm2
    smooth = np.zeros_like(areas) if findings.smooth_cm2 is None else findings.smooth_cm2
    rows = [
        (
            frame,
            None if cine.frame_ms is None else rounded(frame * cine.frame_ms),
            *(None if unknown or not area else rounded(area) for area in pair),
        )
        for frame, pair in enumerate(zip(areas, smooth, strict=True))
    ]
    with atomic_write(path) as part:
        write_table(part, ("frame", "time_ms", "lv_area_cm2", "lv_area_smooth_cm2"), rows)


def plot_curve(path: pathlib.Path, findings: Findings, cine: Cine) -> None:
    """Plot the area over time, as measured and smoothed, with ED and ES marked.

    It is relative to ED where spacing is unknown.
    """
    from matplotlib.figure import Figure  # slow to import

    areas = np.where(findings.areas_cm2 > 0, findings.areas_cm2, np.nan)
    smooth = areas if findings.smooth_cm2 is None else findings.smooth_cm2
    unit, scale = "cm²", 1.0
    if math.isnan(cine.spacing_mm[0]):
        unit, scale = "of ED", 1 / smooth[int(findings.phenotypes["ed_frame"])]
    time_unit, step = ("ms", cine.frame_ms) if cine.frame_ms else ("frame", 1.0)
    at = step * np.arange(len(areas))

    figure = Figure(figsize=(5, 3), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(at, areas * scale, ".", color="#c0392b", markersize=4)
    axes.plot(at, smooth * scale, color="#c0392b", linewidth=1)
    for name in ("ed", "es"):
        frame = findings.phenotypes[f"{name}_frame"]
        if not math.isnan(frame) and math.isfinite(value := smooth[int(frame)] * scale):
            axes.plot(at[int(frame)], value, "o", color="#2c3e50")
            axes.annotate(name.upper(), (at[int(frame)], value), (5, 5), textcoords="offset points")
    axes.set_xlabel("time, ms" if time_unit == "ms" else "frame")
    axes.set_ylabel(f"LV area, {unit}")
    axes.margins(y=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    with atomic_write(path) as part:
        figure.savefig(part)
