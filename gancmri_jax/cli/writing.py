"""What verbs share that write videos: the choice of formats."""

import pathlib
from collections.abc import Callable, Iterable

import click

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.origin import Generated
from gancmri_jax.cine.write import SUFFIXES, write_cine

NEED_SPACING = ("nifti", "dicom")


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
