"""The left ventricle's area over the beat, as a plot and as numbers."""

import math
import pathlib

import numpy as np
from jaxtyping import Float

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.cine import Cine
from gancmri_jax.physiology.phenotypes import Findings
from gancmri_jax.tables import rounded, write_table


def write_curve(path: pathlib.Path, areas: Float[np.ndarray, "t"], cine: Cine) -> None:
    """Write a table of frame, time and area; times and areas that are not known stay empty."""
    unknown = math.isnan(cine.spacing_mm[0])
    rows = [
        (
            frame,
            None if cine.frame_ms is None else rounded(frame * cine.frame_ms),
            None if unknown or not area else rounded(area),
        )
        for frame, area in enumerate(areas)
    ]
    with atomic_write(path) as part:
        write_table(part, ("frame", "time_ms", "lv_area_cm2"), rows)


def plot_curve(path: pathlib.Path, findings: Findings, cine: Cine) -> None:
    """Plot the area over time, with ED and ES marked; relative to ED where spacing is unknown."""
    from matplotlib.figure import Figure  # slow to import

    areas = np.where(findings.areas_cm2 > 0, findings.areas_cm2, np.nan)
    unit, scale = "cm²", 1.0
    if math.isnan(cine.spacing_mm[0]):
        unit, scale = "of ED", 1 / areas[cine.ed_frame]
    time_unit, step = ("ms", cine.frame_ms) if cine.frame_ms else ("frame", 1.0)
    at = step * np.arange(len(areas))

    figure = Figure(figsize=(5, 3), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(at, areas * scale, color="#c0392b")
    for name in ("ed", "es"):
        frame = findings.phenotypes[f"{name}_frame"]
        if not math.isnan(frame) and math.isfinite(value := areas[int(frame)] * scale):
            axes.plot(at[int(frame)], value, "o", color="#2c3e50")
            axes.annotate(name.upper(), (at[int(frame)], value), (5, 5), textcoords="offset points")
    axes.set_xlabel("time, ms" if time_unit == "ms" else "frame")
    axes.set_ylabel(f"LV area, {unit}")
    axes.margins(y=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    with atomic_write(path) as part:
        figure.savefig(part)
