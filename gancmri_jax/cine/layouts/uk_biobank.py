"""UK Biobank's field 20208, long-axis cines: `<eid>_20208_<visit>_<array>.zip`, or unpacked.

A zip holds the DICOMs of all long-axis series in one flat folder, and a `manifest.csv` (also spelt
`manifest.cvs`) that names the series of each file. The four-chamber series is described
`CINE_segmented_LAX_4Ch`; of repeats the last whole one is taken, as it was taken because the one
before was not good. Where all views are in one series, `CINE_segmented_LAX`, the most nearly axial
plane is the four-chamber view.

The platform lays fields out as `Heart MRI/Long axis/10/<eid>_20208_2_0.zip`, and the short axis,
field 20209, beside it.
"""

import pathlib
import re
from collections.abc import Iterator, Sequence

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.dicom import WHOLE, read_dicoms
from gancmri_jax.cine.dicom_frame import Frame, is_dicom
from gancmri_jax.cine.files import File, list_files
from gancmri_jax.cine.layouts.found import ReadOptions, Subject
from gancmri_jax.cine.layouts.walk import walk
from gancmri_jax.cine.not_taken import NotTaken
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.series import Group, normal
from gancmri_jax.cine.views import FOUR, Choice, by_hand, view_of
from gancmri_jax.errors import InputError
from gancmri_jax.tables import loose_rows

VISIT = re.compile(r"(\d+)_20208_\d+_\d+(\.zip)?", re.IGNORECASE)
FIELD = re.compile(r"\d+_(\d{4,6})_\d+_\d+(\.zip)?", re.IGNORECASE)
SHORT_AXIS = "20209"
FOUR_CHAMBER = "cine_segmented_lax_4ch"
ALL_VIEWS = "cine_segmented_lax"
NO_VIEW = f"holds no four-chamber cine ({FOUR_CHAMBER})"
SAME_PLANE = 0.01  # of the normal's upward part


def find(path: pathlib.Path) -> list[Subject]:
    """Return a subject for each visit at any depth under a path, none where it holds none.

    Raises:
        InputError: It holds visits of the short axis alone.
    """
    place = path.resolve()
    places = [path] if VISIT.fullmatch(place.name) else walk(path, FIELD.fullmatch)
    fields = [(p, FIELD.fullmatch(p.name)) for p in places]
    visits = [(p, VISIT.fullmatch(p.resolve().name)) for p in places]
    subjects = [
        Subject(match[1], place, read)
        for place, match in visits
        if match and place.is_file() == bool(match[2])
    ]
    if not subjects and any(match and match[1] == SHORT_AXIS for _, match in fields):
        raise InputError(
            f"{path}: holds UK Biobank's field {SHORT_AXIS}, the short axis; the four-chamber view "
            "is in field 20208, the long axis"
        )
    return subjects


def read(subject: Subject, options: ReadOptions) -> Iterator[Cine | Refusal | NotTaken]:
    """Yield the four-chamber cine of a visit."""
    files: list[File] = []
    described: dict[str, str] = {}
    for item in list_files(subject.path):
        if isinstance(item, Refusal):
            yield item
        elif item.path.name.lower() in ("manifest.csv", "manifest.cvs"):
            described = _read_manifest(item)
        elif is_dicom(item):
            files.append(item)
        else:
            yield NotTaken(item.path, "files of visits that hold no cine")
    chosen = files
    if options.series is None:
        for view in (FOUR_CHAMBER, ALL_VIEWS):
            if view in described.values():  # else the files' own headers say
                chosen = [f for f in files if described.get(f.path.name, view) == view]
                break
    if left := len(files) - len(chosen):
        yield NotTaken(subject.path, "images of another view than 4-chamber, by manifests", left)
    items = list(
        read_dicoms(
            chosen,
            subject.name,
            lambda groups: _choose(groups, options.series),
            lambda f: described.get(f.path.name, f.description.strip().lower()),
            by_hand=options.series is not None,
        )
    )
    yield from items
    told = any(isinstance(item, Refusal) and item.reason == NO_VIEW for item in items)
    if not told and not any(isinstance(item, Cine) for item in items):
        yield Refusal(subject.path, NO_VIEW)


def _read_manifest(file: File) -> dict[str, str]:
    """Return the description of each file's series, in small letters.

    Cells are known by what they hold, because a date with a comma in it moves those behind it.
    """
    try:
        rows = loose_rows(file.read().decode("utf-8-sig", "replace"))
    except InputError:
        return {}
    described = {}
    for row in rows:
        names = [cell.strip() for cell in row if cell.strip().lower().endswith(".dcm")]
        views = [cell.strip().lower() for cell in row if "segmented" in cell.lower()]
        if names and views:
            described[names[0]] = views[0]
    return described


def _choose(groups: Sequence[Group], series: str | None) -> Choice:
    if series is not None:
        return by_hand(groups, series)
    found = [g for g in groups if view_of(g.first.description) == FOUR]
    reason = ""
    if not found:
        mixed = [(g, _axial_part(g.first)) for g in groups if g.first.description == ALL_VIEWS]
        most = max((part for _, part in mixed), default=0.0)
        found = [g for g, part in mixed if part > most - SAME_PLANE]
        if found:
            reason = f"as the 4-chamber view, by its geometry ({most:.2f} axial)"
    taken = _last_whole(found)
    left = [
        (
            g,
            "series of a visit that were broken off or taken again"
            if g in found
            else "cines of another view",
        )
        for g in groups
        if g not in taken
    ]
    return Choice(tuple(taken), tuple(left), reason, "" if taken else NO_VIEW)


def _last_whole(groups: Sequence[Group]) -> list[Group]:
    """Return the groups of the last series that was not broken off."""
    most = max(map(len, groups), default=0)
    whole = [g for g in groups if len(g) >= WHOLE * most]
    last = max(((g.first.series_number, g.first.series) for g in whole), default=None)
    return [g for g in whole if (g.first.series_number, g.first.series) == last]


def _axial_part(frame: Frame) -> float:
    return abs(float(normal(frame)[2]))
