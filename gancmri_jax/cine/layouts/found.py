"""A subject as a layout finds it, and what decides how it is read."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.not_taken import NotTaken
from gancmri_jax.cine.pictures import Box
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.views import Chooser


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """How files are read that do not say all of it themselves.

    Attributes:
        slice: Which slice of a NIfTI stack, from 0.
        mask_boxes: Rectangles of videos and PNGs to blank: top, left, bottom, right.
        spacing_mm: Of rows and columns in videos and PNGs.
        series: A regular expression, found in number and description of the DICOM series to take.
        time_axis: Which axis of a NIfTI array is time, from 0.
        chooser: Chooses the four-chamber view among cines where headers do not say it.
    """

    slice: int | None = None
    mask_boxes: tuple[Box, ...] = ()
    spacing_mm: tuple[float, float] | None = None
    series: str | None = None
    time_axis: int | None = None
    chooser: Chooser | None = dataclasses.field(default=None, compare=False)


@dataclasses.dataclass(frozen=True, order=True)
class Subject:
    """A name, where it lies, and the function that reads it.

    A name may stand twice, with different places: all cines of a heart go by its name.
    """

    name: str
    path: pathlib.Path
    read: Callable[["Subject", ReadOptions], Iterator[Cine | Refusal | NotTaken]] = (
        dataclasses.field(compare=False)
    )
