"""The curves of training runs beside each other: losses, augmentation, penalties, distances."""

import pathlib
from collections.abc import Mapping, Sequence

from gancmri_jax.atomic import atomic_write
from gancmri_jax.errors import InputError
from gancmri_jax.runs.writer import read_metrics

Lines = Sequence[Mapping[str, float]]

_PANELS = (
    ("loss/g", "loss of the generator"),
    ("loss/d", "loss of the discriminator"),
    ("logits/real_sign", "mean sign of real logits"),
    ("inversion/reconstruction", "distance to what frames' codes render"),
    ("inversion/w_unlike", "unlikeness of drawn w and frames' w"),
    ("ada/p", "probability of augmentation"),
    ("reg/r1_penalty", "R1 penalty"),
    ("reg/pl_mean", "path length"),
)


def read_run(workdir: pathlib.Path) -> list[dict[str, float]]:
    """Read a run's `metrics.jsonl`; a last line cut short is left out.

    Raises:
        InputError: The folder holds no run, or one that has written no metrics, or damaged ones.
    """
    try:
        lines = read_metrics(workdir / "metrics.jsonl")
    except OSError as error:
        raise InputError(f"{workdir}: holds no training run: {error}") from error
    if not lines:
        raise InputError(f"{workdir}: its run has told nothing yet")
    return lines


def draw_curves(path: pathlib.Path, runs: Mapping[str, Lines]) -> None:
    """Draw each quantity that some run has over thousands of images, a line a run, as PNG."""
    from matplotlib.figure import Figure  # slow to import

    told = {key for lines in runs.values() for line in lines for key in line}
    distances = [(name, f"Fréchet distance, {name}") for name in sorted(told) if "_fd" in name]
    similar = [
        (name, f"SSIM of what codes render, {name.rpartition('_')[2]}")
        for name in sorted(told)
        if name.startswith("inversion/ssim")
    ]
    panels = [*distances, *_PANELS, *similar]
    panels = [(name, title) for name, title in panels if name in told]
    if not panels:
        raise InputError("the runs tell of no loss and no distance")
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4 * columns, 2.8 * rows), dpi=110, layout="constrained")
    for index, (name, title) in enumerate(panels):
        axes = figure.add_subplot(rows, columns, index + 1)
        for label, lines in runs.items():
            points = [(line["kimg"], line[name]) for line in lines if name in line]
            if points:
                axes.plot(*zip(*points, strict=True), label=label, linewidth=1.2)
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("kimg", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
        if not index and len(runs) > 1:
            axes.legend(fontsize=7, frameon=False)
    with atomic_write(path) as part:
        figure.savefig(part)


def summarize(lines: Lines) -> str:
    """Say in one line where a run is and how good it was at best."""
    last = lines[-1]
    said = f"{last['kimg']:g} kimg"
    for name in sorted({key for line in lines for key in line if "_fd" in key}):
        best = min((line for line in lines if name in line), key=lambda line: line[name])
        said += f"; {name} {best[name]:.4g} at best, at {best['kimg']:g} kimg"
    speeds = [line["images_per_second"] for line in lines if "images_per_second" in line]
    return said + (f"; {speeds[-1]:g} images/s lately" if speeds else "")
