"""Counterparts of the paper's figures (GANcMRI, Figures 2 to 5, 8 and 9)."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gancmri_jax.atomic import atomic_write
from gancmri_jax.latents.motions import ED_TO_ES, FRAME_TO_FRAME
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import Motion
from gancmri_jax.video.render import render_uint8

_INK, _RED, _BLUE = "#2c3e50", "#c0392b", "#2a6f97"
_MEASURES = {
    "roughness": "roughness of motion",
    "closure": "closing step, over mean step",
    "excursion": "excursion, grey levels",
}


def draw_motion(path: pathlib.Path, model: Model, heart: int = 0, columns: int = 9) -> None:
    """Draw Figure 2: the two methods' ways through latent space, and the frames along them."""
    figure = Figure(figsize=(10, 5.6), dpi=110, layout="constrained")
    panels: Any = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    upper, lower = panels
    methods = (ED_TO_ES, FRAME_TO_FRAME)
    start = model.at_ed(model.sample(heart))
    paths = [model.beat(start, Motion(name)) for name in methods]
    axes = upper.subplots(2, columns)
    for row, (name, beat) in enumerate(zip(methods, paths, strict=True)):
        shown = np.linspace(0, len(beat) - 1, columns).round().astype(int)
        frames = render_uint8(model, beat[shown])
        for column, frame in enumerate(shown):
            _show(axes[row, column], frames[column], f"frame {frame + 1}" if row == 0 else "")
        axes[row, 0].set_ylabel(name, fontsize=8)
    ax, over_time = lower.subplots(1, 2)
    direction = np.asarray(model.motion.ed_to_es)
    for name, beat, colour in zip(methods, paths, (_BLUE, _RED), strict=True):
        along, aside = in_plane(np.asarray(beat - beat[:1]), direction)
        ax.plot(along, aside, ".-", color=colour, label=name, markersize=4)
        over_time.plot(np.arange(1, len(along) + 1), along, color=colour, label=name)
    ax.set_xlabel("share of k_ED→ES")
    ax.set_ylabel("largest component aside")
    over_time.set_xlabel("frame")
    over_time.set_ylabel("share of k_ED→ES")
    for plot in (ax, over_time):
        plot.spines[["top", "right"]].set_visible(False)
    over_time.legend(frameon=False, fontsize=8)
    _save(figure, path)


def in_plane(
    offsets: Float[np.ndarray, "t num_ws w_dim"], direction: Float[np.ndarray, "num_ws w_dim"]
) -> tuple[Float[np.ndarray, "t"], Float[np.ndarray, "t"]]:
    """Return how far offsets go along a direction, 1 being all of it, and beside it.

    Beside it means along the first principal component of what is left, in the same unit.
    """
    x, k = offsets.reshape(len(offsets), -1), direction.ravel()
    along = x @ k / (k @ k)
    rest = x - along[:, None] * k[None]
    _, _, components = np.linalg.svd(rest - rest.mean(axis=0, keepdims=True), full_matrices=False)
    return along, rest @ components[0] / np.linalg.norm(k)


def draw_frames(path: pathlib.Path, rows: Mapping[str, UInt8[np.ndarray, "n h w"]]) -> None:
    """Draw frames in rows, each with its name: generated ones above real ones, as in Figure 3."""
    columns = max(map(len, rows.values()))
    size = (2 * columns, 2.1 * len(rows))
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for row, (name, frames) in enumerate(rows.items()):
        for column, frame in enumerate(frames):
            _show(axes[row, column], frame)
        axes[row, 0].set_ylabel(name)
    _save(figure, path)


def draw_movement(path: pathlib.Path, median: Mapping[str, Mapping[str, float]]) -> None:
    """Draw what stands for Figure 4: how each kind of video moves, beside real ones."""
    figure = Figure(figsize=(10, 2.6), dpi=110, layout="constrained")
    for ax, (measure, title) in zip(figure.subplots(1, 3), _MEASURES.items(), strict=True):
        values = [kind[measure] for kind in median.values()]
        colours = [_INK if name == "real" else _BLUE for name in median]
        ax.barh(range(len(values)), values, color=colours)
        ax.axvline(median["real"][measure], color=_INK, linewidth=0.8, linestyle=":")
        ax.set_yticks(
            range(len(values)), list(median) if ax.get_subplotspec().is_first_col() else []
        )
        ax.invert_yaxis()
        ax.set_title(title, fontsize=9)
        ax.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def draw_guided_frames(
    path: pathlib.Path,
    model: Model,
    direction: str,
    hearts: Sequence[int] = (0, 1, 2),
    amounts: Sequence[float] = (-2, -1, 0, 1, 2, 3),
) -> None:
    """Draw Figures 5 and 8: the ED frames of hearts that are moved along a direction."""
    figure = Figure(figsize=(1.6 * len(amounts), 1.7 * len(hearts)), dpi=110, layout="constrained")
    axes = figure.subplots(len(hearts), len(amounts), squeeze=False)
    for row, heart in enumerate(hearts):
        start = model.at_ed(model.sample(heart))
        moved = jnp.stack([model.adjust(start, {direction: amount}) for amount in amounts])
        for ax, frame, amount in zip(axes[row], render_uint8(model, moved), amounts, strict=True):
            _show(ax, frame, f"c = {amount:g}" if row == 0 else "")
    _save(figure, path)


def draw_guided_values(
    path: pathlib.Path,
    amounts: Float[np.ndarray, "c"],
    values: Mapping[str, Float[np.ndarray, "heart c"]],
) -> None:
    """Draw Figure 9: what is measured of each heart at each amount, by phenotype."""
    figure = Figure(figsize=(5 * len(values), 3.4), dpi=110, layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(values)))
    for ax, (name, measured) in zip(axes, values.items(), strict=True):
        ax.plot(amounts, measured.T, color=_BLUE, linewidth=0.6, alpha=0.5)
        known = np.isfinite(measured).any(axis=0)  # hearts without a left ventricle measure nothing
        median = np.nanmedian(measured[:, known], axis=0)
        ax.plot(amounts[known], median, color=_RED, label="median heart")
        ax.set_xlabel("c")
        ax.set_ylabel(name)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False)
    _save(figure, path)


def _show(ax: Axes, frame: UInt8[np.ndarray, "h w"], title: str = "") -> None:
    ax.imshow(frame, cmap="gray", vmin=0, vmax=255, interpolation="bicubic")
    ax.set_title(title, fontsize=8)
    ax.set_xticks([])
    ax.set_yticks([])


def _save(figure: Figure, path: pathlib.Path) -> None:
    with atomic_write(path) as part:
        figure.savefig(part)
