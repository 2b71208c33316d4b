"""What verbs share that write: videos in a choice of formats, and numbers as JSON."""

import json
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import click

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.origin import Generated
from gancmri_jax.cine.write import SUFFIXES, write_cine

NEED_SPACING = ("nifti", "dicom")
JSON = click.option(
    "--json",
    "report",
    type=click.Path(path_type=pathlib.Path, dir_okay=False),
    help="JSON file to write the results to.",
)

DTYPE = click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    default="auto",
    show_default=True,
    help="Number format for rendering; auto is float32 on a CPU, otherwise bfloat16.",
)


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
    stem: pathlib.Path, cine: Cine, formats: Iterable[str], generated: Generated = None
) -> None:
    """Write a cine once in each format, to names that begin with `stem`."""
    for name in dict.fromkeys(formats):
        write_cine(stem.with_name(stem.name + SUFFIXES[name]), cine, generated)


def write_json(path: pathlib.Path, value: Any) -> None:
    """Write numbers as a JSON file, whole or not at all."""
    with atomic_write(path) as part:
        part.write_text(json.dumps(value, indent=2) + "\n")
