"""The table of ways to project, for people, for programs, and as pictures."""

import pathlib
from collections.abc import Sequence

import numpy as np

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.cine import Cine
from gancmri_jax.disclaimer import PAGE_FOOTER
from gancmri_jax.experiments.hardware import hardware
from gancmri_jax.experiments.projection_table import Frames, Row, Way
from gancmri_jax.model.model import Model
from gancmri_jax.projection.distance import Distance, chosen
from gancmri_jax.tables import rounded, write_table


def header(model: Model, cines: Sequence[Cine], distance: Distance) -> list[str]:
    """Say in lines what the rows were measured on."""
    count = sum(len(cine.pixels) for cine in cines)
    return [
        f"{count} frames of {len(cines)} videos, {model.resolution}×{model.resolution}, on "
        f"{hardware()}; searches lower {chosen(distance, model)}.",
        "Means over frames; distances, SSIM and PSNR are between frames and renderings as bytes. "
        "Roughness is of the path of codes, over videos; seconds are without compilation.",
    ]


def write_markdown(
    path: pathlib.Path, rows: Sequence[Row], perceptual: str, told: Sequence[str]
) -> None:
    """Write the table for people, `told` above it; `perceptual` names the first distance."""
    titles = f"mode | space | start | steps | {perceptual} | SSIM | PSNR (dB) | roughness | seconds"
    lines = [*told, "", f"| {titles} |"]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        way = row.way
        space = f"{way.space}, pulled to W by {way.pull_to_w:g}" if way.pull_to_w else way.space
        numbers = (
            f"{row.perceptual:.4f}",
            f"{row.ssim:.3f}",
            f"{row.psnr:.2f}",
            f"{row.roughness:.2f}",
            f"{row.seconds:.1f}",
        )
        cells = [
            way.mode,
            space,
            way.start,
            str(way.steps),
            *(n.replace("nan", "–") for n in numbers),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    with atomic_write(path) as part:
        part.write_text("\n".join([*lines, "", f"*{PAGE_FOOTER}*"]) + "\n")


def write_csv(path: pathlib.Path, rows: Sequence[Row], perceptual: str) -> None:
    """Write the table for programs; what is not known stays empty."""
    with atomic_write(path) as part:
        write_table(
            part,
            (*Way._fields, perceptual, *Row._fields[2:]),
            [(*row.way, *map(rounded, row[1:])) for row in rows],
        )


def draw(
    path: pathlib.Path, target: Frames, found: Sequence[tuple[Row, Frames]], shown: int = 8
) -> None:
    """Draw some frames of a video, and below them what each way found of them."""
    from matplotlib.figure import Figure  # slow to import

    columns = min(shown, len(target))
    at = np.arange(columns) * len(target) // columns
    lines = [("frames", target), *((f"{row.way}\nSSIM {row.ssim:.3f}", f) for row, f in found)]
    figure = Figure(figsize=(1.1 * columns + 1.8, 1.1 * len(lines)), dpi=110, layout="constrained")
    grid = figure.subplots(len(lines), columns, squeeze=False)
    for (label, frames), axes in zip(lines, grid, strict=True):
        for ax, index in zip(axes, at, strict=True):
            ax.imshow(frames[index], cmap="gray", vmin=0, vmax=255)
            ax.set(xticks=[], yticks=[])
        axes[0].set_ylabel(label, fontsize=6, rotation=0, ha="right", va="center")
    with atomic_write(path) as part:
        figure.savefig(part)
