"""The options of every verb that reads cines, and the reading."""

import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import click

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.layouts.found import ReadOptions

SPACING_MM = click.FloatRange(0, min_open=True)

OPTIONS = (
    click.option(
        "--input",
        "source",
        required=True,
        type=click.Path(path_type=pathlib.Path),
        help="Cines: a study folder, a subject's folder or one file. All commands except `gancmri "
        "prepare` also accept training records.",
    ),
    click.option(
        "--slice", "slice_index", type=int, help="Slice to read from a NIfTI stack, counted from 0."
    ),
    click.option(
        "--mask-box",
        "mask_boxes",
        nargs=4,
        type=int,
        multiple=True,
        metavar="TOP LEFT BOTTOM RIGHT",
        help="Rectangle to blank out in videos and PNGs, in pixels, e.g. over burnt-in text; "
        "repeat for more.",
    ),
    click.option(
        "--spacing-mm",
        nargs=2,
        type=SPACING_MM,
        metavar="ROWS COLUMNS",
        help="Pixel spacing in mm for videos and PNGs, which carry none.",
    ),
    click.option("--keep-ids", is_flag=True, help="Write subjects' names instead of keyed hashes."),
)


def split_option(default: str) -> Callable[..., Any]:
    """Give a verb `--split`: of which subjects of records it takes cines."""
    return click.option(
        "--split",
        type=click.Choice(["train", "validation", "test", "all"]),
        default=default,
        show_default=True,
        help="Subjects to use from training records.",
    )


def read_chosen(
    source: pathlib.Path,
    size: int,
    reading: ReadOptions,
    keep_ids: bool,
    split: str = "all",
    most: int | None = None,
) -> Sequence[Cine]:
    """Read cines at a model's size as these options say; what is refused is told."""
    from gancmri_jax.cine.read import read_model_cines  # slow to import

    return read_model_cines(
        source,
        size,
        keep_ids=keep_ids,
        on_refusal=lambda refusal: click.echo(str(refusal), err=True),
        options=reading,
        split=None if split == "all" else split,
        most=most,
    )


def reads_cines(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb these options: it takes `source`, `reading`, a `ReadOptions`, and `keep_ids`."""

    @functools.wraps(verb)
    def reading_verb(
        *,
        slice_index: int | None,
        mask_boxes: tuple[tuple[int, int, int, int], ...],
        spacing_mm: tuple[float, float] | None,
        **options: Any,
    ) -> None:
        verb(reading=ReadOptions(slice_index, mask_boxes, spacing_mm), **options)

    for option in reversed(OPTIONS):
        reading_verb = option(reading_verb)
    return reading_verb
