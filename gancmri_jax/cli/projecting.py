"""What verbs share that project cines: options, and a search that shows its progress."""

import contextlib
import pathlib
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from gancmri_jax.cine.cine import Cine

if TYPE_CHECKING:  # they import JAX, which `--help` does not need
    from gancmri_jax.latents.codes import Codes
    from gancmri_jax.model.model import Model
    from gancmri_jax.projection.settings import Settings, Start

DISTANCES = click.Choice(["auto", "multiscale_pixel", "cardiac_features", "lpips"])
OPTIONS = (
    click.option("--model", "name", default="demo", show_default=True, help="Model file or run."),
    click.option(
        "--steps",
        default=1000,
        show_default=True,
        type=click.IntRange(1),
        help="Of the projection.",
    ),
    click.option(
        "--distance",
        type=DISTANCES,
        default="auto",
        show_default=True,
        help="What the search lowers: of pixels, of the model's segmenter's activations, or LPIPS. "
        "Auto is LPIPS where `gancmri weights` has fetched it, else the segmenter's, else pixels.",
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(1),
        help="Frames at once; by default what suits the CPU, or the device's memory.",
    ),
    click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**32 - 1)),
)

MODE = click.option(
    "--mode",
    type=click.Choice(["frames", "neighbour", "joint"]),
    default="frames",
    show_default=True,
    help="Each frame by itself; each from where the one before ended, in fewer steps; or a whole "
    "beat as one heart on a smooth closed path.",
)
SPACE = click.option(
    "--space",
    type=click.Choice(["w", "w+"]),
    default="w",
    show_default=True,
    help="One w for all rows, as in the paper, or one for each.",
)
START = click.option(
    "--start",
    type=click.Choice(["auto", "mean", "encoder"]),
    default="auto",
    show_default=True,
    help="Begin at the mean w, or at what the model's encoder says; auto is the encoder where the "
    "model has one.",
)


def projects_cines(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb these options: it takes `name`, `steps`, `distance`, `batch_size`, `seed`."""
    for option in reversed(OPTIONS):
        verb = option(verb)
    return verb


def chosen_start(model: "Model", start: str) -> "Start":
    """Return where to begin, of what `--start` takes."""
    from gancmri_jax.projection.projector import best_start

    return best_start(model) if start == "auto" else start  # type: ignore[return-value]


def project_cines(
    model: "Model",
    cines: Sequence[Cine],
    store: pathlib.Path,
    settings: "Settings",
    **options: Any,
) -> "Codes":
    """Project cines into a store, or what of them is not there yet, and return all codes.

    Args:
        model, cines, store, settings: As `project_study` takes them.
        options: Its others, but for those that tell of progress.
    """
    from gancmri_jax.projection.cines import project_study
    from gancmri_jax.projection.store import read_latents

    form = "{l_bar}{bar}| {n:.1f}/{total} frames [{elapsed}<{remaining}{postfix}]"
    bars: list[tqdm] = []
    with contextlib.ExitStack() as until_the_end:

        def on_start(todo: int, done: int) -> None:
            bar = tqdm(
                desc="project", total=todo + done, initial=done, file=sys.stderr, bar_format=form
            )
            bars.append(until_the_end.enter_context(bar))

        def on_steps(frame_steps: float) -> None:
            (bar,) = bars
            hours = (time.time() - bar.start_t) / 3600
            frames = frame_steps / settings.num_steps
            found = bar.n + frames - bar.initial
            bar.set_postfix_str(f"{found / hours:.0f} frames/h", refresh=False)
            bar.update(frames)

        project_study(
            model, cines, store, settings, on_start=on_start, on_steps=on_steps, **options
        )
    codes, _ = read_latents(store)
    return codes
