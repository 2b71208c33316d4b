"""Plots of a reader study: fooled rates with their intervals, ranks, and response times."""

import pathlib
from collections.abc import Sequence

from gancmri_jax.apps.reader_study.analysis import ALL, Finding
from gancmri_jax.apps.reader_study.answers import Answer
from gancmri_jax.apps.reader_study.store import Study
from gancmri_jax.atomic import atomic_write


def draw_fooled(path: pathlib.Path, study: Study, found: Finding) -> None:
    """Draw each reader's fooled rate with its exact interval, beside what guessing gives."""
    from matplotlib.figure import Figure  # slow to import

    names = list(found["choices"])
    figure = Figure(figsize=(6, 1.2 + 0.4 * len(names)), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(1 - 1 / study.num_shown, color="#888888", linestyle="--", linewidth=1)
    for row, name in enumerate(names):
        told = found["choices"][name]["fooled"]
        span = [[told["rate"] - told["low"]], [told["high"] - told["rate"]]]
        colour = "#c0392b" if name == ALL else "#2a6f97"
        axes.errorbar(told["rate"], row, xerr=span, fmt="o", color=colour, capsize=3)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xlabel("fooled rate, exact 95 % interval (dashed: guessing)")
    axes.spines[["top", "right"]].set_visible(False)
    with atomic_write(path) as part:
        figure.savefig(part)


def draw_ranks(path: pathlib.Path, study: Study, found: Finding) -> None:
    """Draw how often each kind had each rank, over all readers, as the paper's Figure 4."""
    from matplotlib.figure import Figure  # slow to import

    ranks = list(found["ranks"].values())[-1]
    shades = ["#184e77", "#4f8fb5", "#a3c6da", "#dde8ee", "#f3f3f3"]
    figure = Figure(figsize=(6, 1.4 + 0.4 * len(study.kinds)), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for row, kind in enumerate(study.kinds):
        counts = ranks[kind]["counts"]
        left = 0.0
        for rank, count in enumerate(counts):
            share = count / max(sum(counts), 1)
            shade = min(rank, len(shades) - 1)
            label = f"rank {rank + 1}" if not row else None
            axes.barh(row, share, left=left, color=shades[shade], edgecolor="white", label=label)
            if share > 0.06:
                ink = "white" if shade < 2 else "black"
                axes.text(left + share / 2, row, str(count), ha="center", va="center", color=ink)
            left += share
    axes.set_yticks(range(len(study.kinds)), study.kinds)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of answers")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=study.num_shown, frameon=False, fontsize=8)
    with atomic_write(path) as part:
        figure.savefig(part)


def draw_response_times(path: pathlib.Path, answers: Sequence[Answer]) -> None:
    """Draw the seconds each answer took, in the order in which they were given."""
    from matplotlib.figure import Figure  # slow to import
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(6, 3), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for reader in dict.fromkeys(answer.reader for answer in answers):
        points = [
            (answer.position + 1, answer.response_ms / 1000)
            for answer in answers
            if answer.reader == reader
        ]
        axes.plot(*zip(*points, strict=True), ".-", linewidth=0.8, markersize=4, label=reader)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("answer")
    axes.set_ylabel("time in view, s")
    axes.legend(fontsize=7, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    with atomic_write(path) as part:
        figure.savefig(part)
