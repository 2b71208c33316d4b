"""A study: the subjects under an input path, and the cines of each.

How its files lie is recognised by what is there; see `layouts`. Several slices, views or visits of
a subject are several cines under one name, so that a heart never lands in two splits.
"""

import dataclasses
import math
import pathlib
from collections.abc import Iterator, Mapping

import numpy as np

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.layouts import dsb2015, folders, mnms2, uk_biobank
from gancmri_jax.cine.layouts.found import ReadOptions, Subject
from gancmri_jax.cine.phenotypes import FRAME_COLUMNS, Phenotypes, read_phenotypes
from gancmri_jax.cine.pictures import MOST_FRAMES
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.errors import InputError

LAYOUTS = (uk_biobank, dsb2015, mnms2, folders)  # the first that finds something
SPACING_MM = (0.2, 10.0)  # between which the pixels of a heart's picture lie


def list_subjects(path: pathlib.Path) -> list[Subject]:
    """Return the subjects under a path, sorted by name.

    Raises:
        InputError: The path does not exist or nothing in it could be a subject.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    for layout in LAYOUTS:
        if subjects := layout.find(path):
            return sorted(subjects)
    raise InputError(
        f"{path}: holds no subject: no folder, and no DICOM, NIfTI, zip, video or PNG file"
    )


def read_subject(
    subject: Subject,
    phenotypes: Mapping[str, Mapping[str, float]] | None = None,
    options: ReadOptions | None = None,
) -> Iterator[Cine | Refusal]:
    """Yield a subject's cines and what of it could not be read.

    Args:
        subject: One that `list_subjects` found.
        phenotypes: Where they know the subject and it has one cine, ED and ES come from them.
        options: How files are read.
    """
    items = [
        Refusal(subject.path, reason)
        if isinstance(item, Cine) and (reason := implausible(item))
        else item
        for item in subject.read(subject, options or ReadOptions())
    ]
    values = (phenotypes or {}).get(subject.name)
    if values is None or sum(isinstance(item, Cine) for item in items) != 1:
        yield from items
        return
    for item in items:
        yield _mark_phases(item, values, subject.path) if isinstance(item, Cine) else item


def study_phenotypes(path: pathlib.Path) -> Phenotypes:
    """Return the phenotypes that lie in a study's folder, none where there is no such file."""
    table = path / "phenotypes.csv"
    if table.is_file():
        return read_phenotypes(table)
    return dsb2015.phenotypes(path) if path.is_dir() and dsb2015.find(path) else {}


def implausible(cine: Cine) -> str | None:
    """Return why a cine is none that a scanner made of a heart, None where nothing speaks so."""
    if len(cine.pixels) < 2:
        return "is a single frame, no cine"
    if len(cine.pixels) > MOST_FRAMES:
        return f"has {len(cine.pixels)} frames, no heartbeat"
    if not math.isnan(cine.spacing_mm[0]):
        low, high = SPACING_MM
        if not all(low <= mm <= high for mm in cine.spacing_mm):
            row_mm, column_mm = cine.spacing_mm
            return f"has pixels of {row_mm:g} by {column_mm:g} mm, outside {low:g} to {high:g}"
    if cine.pixels.dtype.kind == "f" and not np.isfinite(cine.pixels).all():
        return "holds numbers that are not finite"
    if cine.pixels.min() == cine.pixels.max():
        return f"is {cine.pixels.min():g} everywhere"
    return None


def _mark_phases(cine: Cine, values: Mapping[str, float], path: pathlib.Path) -> Cine | Refusal:
    frames = {}
    for column in FRAME_COLUMNS:
        value = values.get(column, math.nan)
        if math.isnan(value):
            frames[column] = getattr(cine, column)
        elif value in range(len(cine.pixels)):
            frames[column] = int(value)
        else:
            return Refusal(
                path,
                f"has {column} {value:g} in phenotypes.csv, and its frames are "
                f"0…{len(cine.pixels) - 1}",
            )
    return dataclasses.replace(cine, ed_frame=frames["ed_frame"], es_frame=frames["es_frame"])
