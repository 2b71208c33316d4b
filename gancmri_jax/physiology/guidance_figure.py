"""Guided hearts as pictures, and what they measure, as in GANcMRI's figures 5, 8 and 9."""

import pathlib
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.preprocess import to_uint8
from gancmri_jax.model.model import Model, learned_direction
from gancmri_jax.physiology.guidance import DIRECTIONS
from gancmri_jax.physiology.guidance_report import LEAST, MOST, Guidance

SHOWN = np.arange(LEAST, MOST + 1)  # amounts that are shown as pictures
_HEARTS = 3  # that are shown
_LABELS = {"lv_area_ed_cm2": "LV area at ED, cm²", "sphericity_index": "sphericity index"}


def draw_guidance(
    path: pathlib.Path, model: Model, guidance: Guidance, report: Mapping[str, Mapping[str, Any]]
) -> None:
    """Draw a row a direction: hearts moved along it, and the phenotype over the amount."""
    from matplotlib.figure import Figure  # slow to import

    rows = len(guidance.measured)
    figure = Figure(figsize=(11, 3.3 * rows), dpi=120, layout="constrained")
    panels = figure.subplots(rows, 2, squeeze=False, width_ratios=(2.1, 1))
    columns = {name: column for column, name in DIRECTIONS.items()}
    for (hearts, curve), (name, measured) in zip(panels, guidance.measured.items(), strict=True):
        pictures = _pictures(model, guidance.seeds[:_HEARTS], name)
        side = model.resolution
        hearts.imshow(pictures, cmap="gray", vmin=0, vmax=255, interpolation="bicubic")
        hearts.set_xticks(
            side * (np.arange(len(SHOWN)) + 0.5),
            [f"{c:+g}".replace("-", "−") if c else "0" for c in SHOWN],
        )
        hearts.set_yticks([])
        hearts.set_xlabel("amount c")
        hearts.spines[:].set_visible(False)
        hearts.set_title(f"{name}: the same hearts, moved", fontsize=10)

        column, said = columns[name], report[name]
        values = measured[column]
        curve.plot(guidance.amounts, values.T, color="#7f8c8d", linewidth=0.6, alpha=0.6)
        middle = [
            np.median(v[np.isfinite(v)]) if np.isfinite(v).any() else np.nan for v in values.T
        ]
        curve.plot(guidance.amounts, middle, color="#c0392b", linewidth=2)
        curve.set_xlabel("amount c")
        curve.set_ylabel(_LABELS[column])
        curve.spines[["top", "right"]].set_visible(False)
        told = f"r = {said['pearson_r']}, median of {said['hearts']} hearts"
        curve.set_title(told, fontsize=10)
    with atomic_write(path) as part:
        figure.savefig(part)


def draw_cross_talk(path: pathlib.Path, report: Mapping[str, Mapping[str, Any]]) -> None:
    """Draw what an amount of 1 along each direction does to each phenotype."""
    from matplotlib.figure import Figure

    columns = list(DIRECTIONS)
    matrix = np.array(
        [
            [np.nan if (x := row["cross_talk"][c]) is None else x for c in columns]
            for row in report.values()
        ]
    )
    figure = Figure(figsize=(4.6, 1.2 + 0.7 * len(report)), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    most = max(np.nanmax(np.abs(matrix)), 1e-9)
    axes.imshow(matrix, cmap="PuOr", vmin=-most, vmax=most, aspect="auto")
    for (row, column), value in np.ndenumerate(matrix):
        light = "white" if abs(value) > 0.6 * most else "black"
        axes.text(column, row, f"{value:+.2f}", ha="center", va="center", color=light)
    axes.set_xticks(range(len(columns)), [_LABELS[column] for column in columns], fontsize=8)
    axes.set_yticks(range(len(report)), list(report), fontsize=8)
    axes.set_title("effect of c = +1, in SD of unmoved hearts", fontsize=10)
    with atomic_write(path) as part:
        figure.savefig(part)


def _pictures(model: Model, seeds: list[int], name: str) -> UInt8[np.ndarray, "H W"]:
    """Render hearts row by row, moved by each of SHOWN."""
    direction = learned_direction(model.directions, name)
    steps = jnp.asarray(SHOWN, jnp.float32)[:, None, None] * direction[None]
    rows = []
    for seed in seeds:
        start = model.at_ed(model.sample(seed))
        frames = to_uint8(model.render(start[None] + steps)[..., 0])
        rows.append(np.concatenate(list(frames), axis=1))
    return np.concatenate(rows, axis=0)
