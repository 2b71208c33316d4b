"""A subject as a layout finds it, and what decides how it is read."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.pictures import Box
from gancmri_jax.cine.refusal import Refusal


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """How files are read that do not say all of it themselves.

    Attributes:
        slice: Which slice of a NIfTI stack, from 0.
        mask_boxes: Rectangles of videos and PNGs to blank: top, left, bottom, right.
        spacing_mm: Of rows and columns in videos and PNGs.
    """

    slice: int | None = None
    mask_boxes: tuple[Box, ...] = ()
    spacing_mm: tuple[float, float] | None = None


@dataclasses.dataclass(frozen=True, order=True)
class Subject:
    """A name, where it lies, and the function that reads it.

    A name may stand twice, with different places: all cines of a heart go by its name.
    """

    name: str
    path: pathlib.Path
    read: Callable[["Subject", ReadOptions], Iterator[Cine | Refusal]] = dataclasses.field(
        compare=False
    )
