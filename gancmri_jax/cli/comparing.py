"""What verbs share that compare sets: options that say how a set is opened, and progress bars."""

from collections.abc import Callable

import click

from gancmri_jax.cli.motions import MOTION
from gancmri_jax.cli.reading import measured_split

SET_OPTIONS = (
    measured_split,
    click.option(
        "--size",
        type=click.IntRange(8),
        help="Height and width of a frame, in pixels, to which cine files are resized; only for "
        "sets that are cine files, and required for them.",
    ),
    MOTION,
    click.option(
        "--truncation",
        default=1.0,
        show_default=True,
        type=click.FloatRange(-2, 2),
        help="Truncation ψ: below 1, hearts are more typical and less varied.",
    ),
    click.option(
        "--store-model",
        default="demo",
        show_default=True,
        help="Model that a latent store was made with: demo, a model file or a run folder.",
    ),
)


def compares_sets(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options that say how a set is opened."""
    for option in reversed(SET_OPTIONS):
        verb = option(verb)
    return verb


def tell(refusal: object) -> None:
    """Print what is skipped on standard error."""
    click.echo(str(refusal), err=True)


def progress(delay: float = 0) -> Callable[[str, int], Callable[[int], object]]:
    """Return what shows one bar for each long piece of work, the last one closed by the next.

    Work that takes less than `delay` seconds shows none.
    """
    from tqdm import tqdm

    bars: list[tqdm] = []

    def start(what: str, total: int) -> Callable[[int], object]:
        if bars:
            bars.pop().close()
        bars.append(tqdm(total=total, desc=what, unit="", leave=False, delay=delay))
        return bars[-1].update

    return start
