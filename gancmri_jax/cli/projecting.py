"""What verbs share that project cines: options, and a search that shows its progress."""

import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from gancmri_jax.cine.cine import Cine

if TYPE_CHECKING:  # they import JAX, which `--help` does not need
    from gancmri_jax.latents.codes import Codes
    from gancmri_jax.model.model import Model
    from gancmri_jax.projection.projector import Settings
    from gancmri_jax.projection.study import Which

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
        help="What the search lowers: of pixels, of the model's segmenter's activations, or LPIPS.",
    ),
    click.option("--batch-size", default=8, show_default=True, type=click.IntRange(1)),
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
    *,
    which: "Which" = "all",
    batch_size: int,
    seed: int,
) -> "Codes":
    """Project cines into a store, or what of them is not there yet, and return all codes."""
    from gancmri_jax.projection.store import read_latents
    from gancmri_jax.projection.study import project_study

    with tqdm(unit=" frames", desc="project", file=sys.stderr) as bar:

        def on_start(todo: int, done: int) -> None:
            bar.reset(todo + done)
            bar.update(done)

        project_study(
            model,
            cines,
            store,
            settings,
            which=which,
            batch_size=batch_size,
            seed=seed,
            on_start=on_start,
            on_steps=lambda frame_steps: bar.update(frame_steps / settings.num_steps),
        )
    codes, _ = read_latents(store)
    return codes
