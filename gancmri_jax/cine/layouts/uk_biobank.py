"""UK Biobank's field 20208, long-axis cines: `<eid>_20208_<visit>_<array>.zip`, or unpacked.

A zip holds the DICOMs of all long-axis series in one flat folder, and a `manifest.csv` (also spelt
`manifest.cvs`) that names the series of each file. The four-chamber series is described
`CINE_segmented_LAX_4Ch`; of repeats the last is taken, as it was taken because the one before was
not good. Where all views are in one series, `CINE_segmented_LAX`, the most nearly axial plane is
the four-chamber view.
"""

import csv
import dataclasses
import pathlib
import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.dicom import read_dicoms
from gancmri_jax.cine.dicom_frame import Frame, is_dicom
from gancmri_jax.cine.files import File, list_files
from gancmri_jax.cine.layouts.found import ReadOptions, Subject
from gancmri_jax.cine.orientation import axial_part
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.errors import InputError

VISIT = re.compile(r"(\d+)_20208_\d+_\d+(\.zip)?")
FOUR_CHAMBER = "cine_segmented_lax_4ch"
ALL_VIEWS = "cine_segmented_lax"
SAME_PLANE = 0.01  # of the normal's upward part


def find(path: pathlib.Path) -> list[Subject]:
    """Return a subject for each visit under a path, none where it holds none."""
    places = [path] if VISIT.fullmatch(path.name) else [*path.glob("*"), *path.glob("*/*")]
    visits = [(place, VISIT.fullmatch(place.name)) for place in places]
    return [
        Subject(match[1], place, read)
        for place, match in visits
        if match and place.is_file() == bool(match[2])
    ]


def read(subject: Subject, options: ReadOptions) -> Iterator[Cine | Refusal]:
    """Yield the four-chamber cine of a visit."""
    files = []
    described: dict[str, str] = {}
    for item in list_files(subject.path):
        if isinstance(item, Refusal):
            yield item
        elif item.path.name.lower() in ("manifest.csv", "manifest.cvs"):
            described = _read_manifest(item)
        elif is_dicom(item):
            files.append(item)
    for view in (FOUR_CHAMBER, ALL_VIEWS):
        if view in described.values():  # else the files' own headers say
            files = [file for file in files if described.get(file.path.name, view) == view]
            break
    items = list(read_dicoms(files, subject.name, lambda f: _choose(f, described)))
    yield from items
    if not any(isinstance(item, Cine) for item in items):
        yield Refusal(subject.path, f"holds no four-chamber cine ({FOUR_CHAMBER})")


def _read_manifest(file: File) -> dict[str, str]:
    """Return the description of each file's series, in small letters.

    Cells are known by what they hold, because a date with a comma in it moves those behind it.
    """
    try:
        lines = file.read().decode("utf-8-sig", "replace").splitlines()
        rows = list(csv.reader(lines))
    except (InputError, csv.Error):
        return {}
    described = {}
    for row in rows:
        names = [cell.strip() for cell in row if cell.strip().lower().endswith(".dcm")]
        views = [cell.strip().lower() for cell in row if "segmented" in cell.lower()]
        if names and views:
            described[names[0]] = views[0]
    return described


def _choose(frames: list[Frame], described: dict[str, str]) -> list[Frame]:
    frames = [
        dataclasses.replace(
            f, description=described.get(f.path.name, f.description.strip().lower())
        )
        for f in frames
    ]
    four_chamber = [f for f in frames if f.description == FOUR_CHAMBER]
    if four_chamber:
        return _last_series(four_chamber)
    mixed = [(f, _axial_part(f)) for f in frames if f.description == ALL_VIEWS]
    most = max((part for _, part in mixed), default=0.0)
    return _last_series([f for f, part in mixed if part > most - SAME_PLANE])


def _last_series(frames: list[Frame]) -> list[Frame]:
    counts = Counter((f.series_number, f.series) for f in frames)
    # A series broken off after a frame is no cine.
    last = max((series for series, count in counts.items() if count > 1), default=None)
    return [f for f in frames if last in (None, (f.series_number, f.series))]


def _axial_part(frame: Frame) -> float:
    right, down = np.reshape(frame.orientation, (2, 3))
    return axial_part(right, down)
