"""What verbs share that write: videos in a choice of formats, and numbers as JSON."""

import json
import math
import pathlib
import sys
from collections.abc import Callable, Iterable
from typing import Any

import click
from tqdm import tqdm

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.origin import Generated
from gancmri_jax.cine.write import SUFFIXES, write_cine

NEED_SPACING = ("nifti", "dicom")
STDOUT = pathlib.Path("-")
JSON = click.option(
    "--json",
    "report",
    is_flag=False,
    flag_value="-",
    metavar="[FILE]",
    type=click.Path(path_type=pathlib.Path, dir_okay=False, allow_dash=True),
    help="Print the results as one JSON object, and text on standard error; with FILE, write them "
    "there and print text as usual.",
)

DTYPE = click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    default="auto",
    show_default=True,
    help="Number format for rendering; auto is float32 on a CPU, otherwise bfloat16.",
)


class Answer:
    """A verb's results: lines for people, and one JSON object for programs where it is asked for.

    The object is written to a file beside the lines, or printed; then lines go to standard error.
    """

    def __init__(self, report: pathlib.Path | None) -> None:
        self._report = report

    def say(self, line: object) -> None:
        """Print a line for people, above progress bars."""
        tqdm.write(str(line), file=sys.stderr if self._report == STDOUT else sys.stdout)

    def give(self, value: dict[str, Any]) -> None:
        """Print the object or write it, where it is asked for."""
        if self._report == STDOUT:
            click.echo(json.dumps(_without_nan(value), indent=2))
        elif self._report is not None:
            write_json(self._report, value)


def _without_nan(value: Any) -> Any:
    """Return the value with None for NaN and infinities, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def format_option(default: tuple[str, ...], told: str) -> Callable:
    """Return the option `--format`, which may be repeated, as `formats`."""
    return click.option(
        "--format",
        "formats",
        multiple=True,
        type=click.Choice(list(SUFFIXES)),
        default=default,
        help=f"Output format; repeat for more.  [default: {told}]",
    )


def write_formats(
    stem: pathlib.Path,
    cine: Cine,
    formats: Iterable[str],
    generated: Generated = None,
    note: str = "",
) -> None:
    """Write a cine once in each format, to names that begin with `stem`."""
    for name in dict.fromkeys(formats):
        write_cine(stem.with_name(stem.name + SUFFIXES[name]), cine, generated, note)


def write_json(path: pathlib.Path, value: Any) -> None:
    """Write numbers as a JSON file, whole or not at all."""
    with atomic_write(path) as part:
        part.write_text(json.dumps(_without_nan(value), indent=2) + "\n")


def advance(bar: tqdm) -> Callable[[int, int], None]:
    """Return what moves a bar to so many done, of so many."""

    def move(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return move
