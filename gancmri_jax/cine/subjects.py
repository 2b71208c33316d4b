"""A study: the subjects under an input path, and the cines of each.

How its files lie is recognised by what is there; see `layouts`. Several slices, views or visits of
a subject are several cines under one name, so that a heart never lands in two splits.
"""

import dataclasses
import math
import pathlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.dicom_frame import is_dicom
from gancmri_jax.cine.files import disk_file
from gancmri_jax.cine.layouts import dsb2015, folders, mnms2, uk_biobank
from gancmri_jax.cine.layouts.found import ReadOptions, Subject
from gancmri_jax.cine.layouts.walk import walk
from gancmri_jax.cine.nifti import is_label_map, is_nifti, stem
from gancmri_jax.cine.not_taken import NotTaken, no_cine
from gancmri_jax.cine.phenotypes import FRAME_COLUMNS, PhenotypeTable, read_phenotypes
from gancmri_jax.cine.pictures import MOST_FRAMES
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.timing import checked
from gancmri_jax.errors import InputError

LAYOUTS = (uk_biobank, dsb2015, mnms2, folders)  # the first that finds something
TABLES = ("phenotypes.csv", *dsb2015.TABLES)
MOST_ALIKE = 3  # refusals of a subject for one reason that are listed one by one
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
) -> Iterator[Cine | Refusal | NotTaken]:
    """Yield a subject's cines, what of it could not be read, and what was not taken.

    Args:
        subject: One that `list_subjects` found.
        phenotypes: Where they know a person and there is one cine, ED and ES come from them.
        options: How files are read.
    """
    items = [
        Refusal(subject.path, reason)
        if isinstance(item, Cine) and (reason := implausible(item))
        else checked(item)
        if isinstance(item, Cine)
        else item
        for item in subject.read(subject, options or ReadOptions())
    ]
    names = Counter(item.subject for item in items if isinstance(item, Cine))
    for item in _folded(items):
        if isinstance(item, Cine) and phenotypes and names[item.subject] == 1:
            yield _mark_phases(item, phenotypes.get(item.subject, {}), subject.path)
        else:
            yield item


def _folded(items: Sequence[Cine | Refusal | NotTaken]) -> Iterator[Cine | Refusal | NotTaken]:
    """Yield items; of many refusals for one reason the first alone, with their number."""
    counts = Counter(item.reason for item in items if isinstance(item, Refusal))
    told: set[str] = set()
    for item in items:
        if not isinstance(item, Refusal) or counts[item.reason] <= MOST_ALIKE:
            yield item
        elif item.reason not in told:
            told.add(item.reason)
            more = counts[item.reason] - 1
            yield dataclasses.replace(item, reason=f"{item.reason}, as {more} more files here")


def unused_files(path: pathlib.Path, subjects: Iterable[Subject]) -> Iterator[NotTaken]:
    """Yield what lies under a path and belongs to no subject, nor is a table that is read."""
    if path.is_file():
        return
    places = {subject.path for subject in subjects}
    for file in walk(path):
        outside = places.isdisjoint((file, *file.parents))
        if outside and file.is_file() and file.name not in TABLES:
            if kind := _kind_of_unused(file):
                yield NotTaken(file, kind)


def _kind_of_unused(file: pathlib.Path) -> str | None:
    if match := uk_biobank.FIELD.fullmatch(file.name):
        short = ", the short axis" if match[1] == uk_biobank.SHORT_AXIS else ""
        return f"UK Biobank's field {match[1]}{short}"
    if file.name.endswith(mnms2.FRAMES):
        return None
    if is_nifti(disk_file(file)):
        labels = is_label_map(stem(file))
        return "label maps, by their names" if labels else "NIfTI files that no subject uses"
    if is_dicom(disk_file(file)):
        return "DICOM files beside the subjects' folders"
    return no_cine(file)


def study_phenotypes(path: pathlib.Path) -> PhenotypeTable:
    """Return the phenotypes that lie in a study's folder, none where there is no such file."""
    table = path / "phenotypes.csv"
    if table.is_file():
        return read_phenotypes(table)
    if path.is_dir() and dsb2015.find(path):
        return dsb2015.phenotypes(path)
    return PhenotypeTable({}, {})


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
    frames = phase_frames(values, len(cine.pixels))
    if isinstance(frames, str):
        return Refusal(path, frames)
    return dataclasses.replace(cine, **frames)  # type: ignore[arg-type]


def phase_frames(values: Mapping[str, float], num_frames: int) -> dict[str, int] | str:
    """Return ED and ES frames that a row of phenotypes names, or why it cannot be of this cine."""
    frames = {}
    for column in FRAME_COLUMNS:
        value = values.get(column, math.nan)
        if math.isnan(value):
            continue
        if value not in range(num_frames):
            return (
                f"has {column} {value:g} in phenotypes.csv, and its frames are 0…{num_frames - 1}"
            )
        frames[column] = int(value)
    return frames
