"""What verbs that project cines share: options, and a progress bar."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

if TYPE_CHECKING:  # they import JAX, which `--help` does not need
    from gancmri_jax.model.model import Model
    from gancmri_jax.projection.settings import Settings, Start

DISTANCES = click.Choice(["auto", "multiscale_pixel", "cardiac_features", "lpips"])
OPTIONS = (
    click.option(
        "--model",
        "name",
        default="demo",
        show_default=True,
        help="Model: demo, a model file or a run folder.",
    ),
    click.option(
        "--steps",
        default=1000,
        show_default=True,
        type=click.IntRange(1),
        help="Optimisation steps per frame.",
    ),
    click.option(
        "--distance",
        type=DISTANCES,
        default="auto",
        show_default=True,
        help="Image distance to minimise. multiscale_pixel compares pixels at several scales, "
        "cardiac_features compares activations of the model's segmenter. auto is lpips after "
        "`gancmri weights fetch vgg16-lpips`, otherwise cardiac_features if the model has a "
        "segmenter, otherwise multiscale_pixel.",
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(1),
        help="Frames per batch.  [default: chosen for the CPU or the device's memory]",
    ),
    click.option(
        "--seed",
        default=0,
        show_default=True,
        type=click.IntRange(0, 2**32 - 1),
        help="Random seed of the search.",
    ),
)

MODE = click.option(
    "--mode",
    type=click.Choice(["frames", "neighbour", "joint"]),
    default="frames",
    show_default=True,
    help="frames: search for each frame alone. neighbour: start each frame at the code of the "
    "previous frame, with fewer steps. joint: search for a whole heartbeat at once, as a smooth "
    "closed path.",
)
SPACE = click.option(
    "--space",
    type=click.Choice(["w", "w+"]),
    default="w",
    show_default=True,
    help="w: the same w for all layers, as in the paper. w+: a different w for each layer.",
)
START = click.option(
    "--start",
    type=click.Choice(["auto", "mean", "encoder"]),
    default="auto",
    show_default=True,
    help="Start of the search: the mean w, or the encoder's prediction. auto is encoder if the "
    "model has one, otherwise mean.",
)


def projects_cines(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb these options: it takes `name`, `steps`, `distance`, `batch_size`, `seed`."""
    for option in reversed(OPTIONS):
        verb = option(verb)
    return verb


def chosen_start(model: "Model", start: str) -> "Start":
    """Return where to begin, of what `--start` takes."""
    from gancmri_jax.projection.start import best_start

    return best_start(model) if start == "auto" else start  # type: ignore[return-value]


@contextlib.contextmanager
def progress(settings: "Settings") -> Iterator[dict[str, Callable[..., object]]]:
    """Show the progress of a projection; yield the callbacks of `project_study` for it."""
    form = "{l_bar}{bar}| {n:.1f}/{total} frames [{elapsed}<{remaining}{postfix}]"
    bars: list[tqdm] = []
    with contextlib.ExitStack() as until_the_end:

        def on_start(todo: int, done: int) -> None:
            bar = tqdm(
                desc="project", total=todo + done, initial=done, file=sys.stderr, bar_format=form
            )
            bars.append(until_the_end.enter_context(bar))

        begun = time.monotonic()  # which a clock that is set back does not change

        def on_steps(frame_steps: float) -> None:
            (bar,) = bars
            hours = max(time.monotonic() - begun, 1e-3) / 3600
            frames = frame_steps / settings.num_steps
            projected = bar.n + frames - bar.initial
            bar.set_postfix_str(f"{projected / hours:.0f} frames/h", refresh=False)
            bar.update(frames)

        yield {"on_start": on_start, "on_steps": on_steps}
