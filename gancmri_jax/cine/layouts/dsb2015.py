"""Kaggle's Second Annual Data Science Bowl (2015): `<split>/<patient>/study/4ch_<n>/IM-*.dcm`.

`train.csv` (`Id,Systole,Diastole`) holds the left ventricle's volumes in ml, which become
phenotypes. Of repeats of the view the whole one with the highest number is taken.
"""

import pathlib
import re
from collections.abc import Iterator

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.dicom import WHOLE, read_dicoms
from gancmri_jax.cine.dicom_frame import is_dicom
from gancmri_jax.cine.files import File, list_files
from gancmri_jax.cine.layouts.found import ReadOptions, Subject
from gancmri_jax.cine.layouts.walk import walk
from gancmri_jax.cine.not_taken import NotTaken
from gancmri_jax.cine.phenotypes import Phenotypes, PhenotypeTable
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.tables import read_table

VIEW = re.compile(r"(4ch|2ch|sax)_(\d+)")
TABLES = ("train.csv", "validate.csv")


def find(path: pathlib.Path) -> list[Subject]:
    """Return the patients under a path, none where it is laid out otherwise."""
    studies = [p for p in walk(path, lambda name: name == "study") if p.name == "study"]
    return [
        Subject(study.resolve().parent.name, study.parent, read)
        for study in studies
        if study.is_dir() and any(VIEW.fullmatch(view.name) for view in study.iterdir())
    ]


def read(subject: Subject, options: ReadOptions) -> Iterator[Cine | Refusal | NotTaken]:
    """Yield the four-chamber cine of a patient."""
    study = subject.path / "study"
    matches = [(VIEW.fullmatch(view.name), view) for view in study.iterdir() if view.is_dir()]
    views = [(int(m[2]), view) for m, view in matches if m and m[1] == "4ch"]
    others = [view for m, view in matches if m and m[1] != "4ch"]
    if others:
        yield NotTaken(others[0], "folders of another view (2ch, sax)", len(others))
    if not views:
        yield Refusal(subject.path, "holds no four-chamber view (study/4ch_*)")
        return
    contents = {view: list(list_files(view)) for _, view in views}
    most = max(map(len, contents.values()))
    whole = [(number, view) for number, view in views if len(contents[view]) >= WHOLE * most]
    chosen = max(whole)[1]
    if left := [view for _, view in views if view != chosen]:
        yield NotTaken(left[0], "folders of 4-chamber cines that were taken again", len(left))
    items = contents[chosen]
    yield from (item for item in items if isinstance(item, Refusal))
    files = [item for item in items if isinstance(item, File) and is_dicom(item)]
    if not files:
        yield Refusal(chosen, "holds no DICOM file")
    yield from read_dicoms(files, subject.name)


def phenotypes(path: pathlib.Path) -> PhenotypeTable:
    """Return volumes and ejection fraction from the tables in or beside a folder."""
    values: Phenotypes = {}
    lines: dict[str, str] = {}
    for name in TABLES:
        for table in (path / name, path.parent / name):
            if table.is_file():
                _read_table(table, values, lines)
                break
    return PhenotypeTable(values, lines)


def _read_table(path: pathlib.Path, values: Phenotypes, lines: dict[str, str]) -> None:
    """Add the rows of a table, and where they stand."""
    for row in read_table(path, needs=("Id", "Systole", "Diastole")):
        patient = row.cells["Id"].strip()
        if patient in lines:
            raise row.error("Id", f"stands in {lines[patient]} too; keep one line a patient")
        esv_ml, edv_ml = row.number("Systole"), row.number("Diastole")
        for column, volume_ml in (("Systole", esv_ml), ("Diastole", edv_ml)):
            if not volume_ml > 0:
                raise row.error(column, "needs a volume above 0 ml")
        lines[patient] = f"{path.name} line {row.line}"
        values[patient] = {
            "lv_edv_ml": edv_ml,
            "lv_esv_ml": esv_ml,
            "ef_percent": 100 * (edv_ml - esv_ml) / edv_ml,
        }
