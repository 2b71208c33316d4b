"""What verbs share that project cines: options, and a search that shows its progress."""

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
    from gancmri_jax.projection.projector import Settings

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
        type=click.Choice(["auto", "multiscale_pixel", "cardiac_features", "lpips"]),
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


def projects_cines(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb these options: it takes `name`, `steps`, `distance`, `batch_size`, `seed`."""
    for option in reversed(OPTIONS):
        verb = option(verb)
    return verb


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
    from gancmri_jax.projection.store import read_latents
    from gancmri_jax.projection.study import project_study

    form = "{l_bar}{bar}| {n:.1f}/{total} frames [{elapsed}<{remaining}{postfix}]"
    with tqdm(desc="project", file=sys.stderr, bar_format=form) as bar:
        began, before = time.monotonic(), 0

        def on_start(todo: int, done: int) -> None:
            nonlocal before
            before = done
            bar.reset(todo + done)
            bar.update(done)

        def on_steps(frame_steps: float) -> None:
            hours = (time.monotonic() - began) / 3600
            bar.update(frame_steps / settings.num_steps)
            bar.set_postfix_str(f"{(bar.n - before) / hours:.0f} frames/h", refresh=False)

        project_study(
            model, cines, store, settings, on_start=on_start, on_steps=on_steps, **options
        )
    codes, _ = read_latents(store)
    return codes
