"""The options of every verb that reads cines, and the reading."""

import functools
import pathlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import click

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cine.not_taken import NotTaken, Remark, not_taken_lines

SPACING_MM = click.FloatRange(0, min_open=True)
MOST_ALIKE = 10  # remarks that differ in numbers alone and are printed one by one


def _regular_expression(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> str | None:
    try:
        re.compile(value or "")
    except re.error as error:
        raise click.BadParameter(f"{value!r} is no regular expression ({error})") from error
    return value


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
    click.option(
        "--series",
        metavar="REGEX",
        callback=_regular_expression,
        help="DICOM series to read: regular expression to match in '<number> <description>'.  "
        "[default: the 4-chamber cine]",
    ),
    click.option(
        "--time-axis",
        type=click.IntRange(2, 3),
        help="Time axis of NIfTI arrays, counted from 0: 2 for (x, y, t).  [default: 3]",
    ),
    click.option(
        "--keep-ids",
        is_flag=True,
        help="Show and write subjects' names instead of keyed hashes.",
    ),
)


def _cluster(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        from gancmri_jax.cluster.client import check_scheduler

        check_scheduler(value)
    return value


SCHEDULER = click.option(
    "--scheduler",
    metavar="ADDRESS",
    callback=_cluster,
    help="Dask scheduler whose workers do the work, a subject at a time: its address, its "
    "scheduler file, or local:N for N processes of this machine. See docs/clusters.md.",
)

_SPLIT = functools.partial(
    click.option,
    "--split",
    type=click.Choice(["train", "validation", "test", "all"]),
    help="Subjects to use from training records. By default, commands that learn take train; "
    "commands that measure take test, or all if the records have no test split.",
)
learned_split = _SPLIT(default="train")
measured_split = _SPLIT()


def read_chosen(
    source: pathlib.Path,
    size: int,
    reading: ReadOptions,
    keep_ids: bool,
    split: str | None = "all",
    most: int | None = None,
) -> Sequence[Cine]:
    """Read cines at a model's size as these options say; what is refused is told.

    Of records, `split` None means the subjects to measure: test, or all without a test split.
    """
    from gancmri_jax.cine.read import read_model_cines  # slow to import
    from gancmri_jax.cine.records import is_records, measured_splits

    if split is None and is_records(source):
        (split,) = measured_splits(source) if len(measured_splits(source)) == 1 else ["all"]

    extras = Extras()
    try:
        return read_model_cines(
            source,
            size,
            keep_ids=keep_ids,
            on_refusal=lambda refusal: click.echo(str(refusal), err=True),
            options=reading,
            split=None if split in (None, "all") else split,
            most=most,
            on_extra=extras,
        )
    finally:
        extras.sum_up()


class Extras:
    """Print remarks on standard error as they come, and sum up what was not taken."""

    def __init__(self, echo: Callable[[str], None] | None = None) -> None:
        self._echo = echo or functools.partial(click.echo, err=True)
        self._not_taken: list[NotTaken] = []
        self._remarks: Counter[str] = Counter()

    def __call__(self, extra: NotTaken | Remark) -> None:
        """Print a remark, unless many like it were printed, or keep in mind what was not taken."""
        if isinstance(extra, NotTaken):
            self._not_taken.append(extra)
            return
        kind = re.sub(r"[\d.]+|'[^']*'", "#", extra.text)
        self._remarks[kind] += 1
        if self._remarks[kind] <= MOST_ALIKE:
            self._echo(str(extra))

    def sum_up(self) -> None:
        """Print how many remarks were kept back, and a line for each kind of what was not taken."""
        for kind, count in self._remarks.items():
            if count > MOST_ALIKE:
                self._echo(f"and {count - MOST_ALIKE} more like this: {kind}")
        for line in not_taken_lines(self._not_taken):
            self._echo(line)


def reads_cines(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb these options: it takes `source`, `reading`, a `ReadOptions`, and `keep_ids`."""

    @functools.wraps(verb)
    def reading_verb(
        *,
        slice_index: int | None,
        mask_boxes: tuple[tuple[int, int, int, int], ...],
        spacing_mm: tuple[float, float] | None,
        series: str | None,
        time_axis: int | None,
        **options: Any,
    ) -> None:
        reading = ReadOptions(slice_index, mask_boxes, spacing_mm, series, time_axis)
        verb(reading=reading, **options)

    for option in reversed(OPTIONS):
        reading_verb = option(reading_verb)
    return reading_verb
