"""`phenotypes.csv`: one line a subject, the columns' units in their names.

`subject,ed_frame,es_frame,lv_area_ed_cm2,lv_area_es_cm2,sphericity_index,lv_fac_percent,…`: frames
count from 0, an empty cell is a missing value, further columns are welcome. A column of words
(a diagnosis) is for people to read: it is written, and passed over when numbers are read.
"""

import csv
import math
import pathlib
from collections.abc import Mapping

from gancmri_jax.errors import InputError

FRAME_COLUMNS = ("ed_frame", "es_frame")
_NUMBERS = ("_frame", "_index", "_cm2", "_ml", "_mm", "_ms", "_bpm", "_percent", "_degrees")

Phenotypes = dict[str, dict[str, float]]  # subject -> column -> value


def write_phenotypes(
    path: pathlib.Path,
    phenotypes: Mapping[str, Mapping[str, float]] | Mapping[str, Mapping[str, float | str]],
) -> None:
    """Write a table; the first subject's columns, in their order, are the table's."""
    columns = list(next(iter(phenotypes.values())))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["subject", *columns])
        for subject, values in phenotypes.items():
            writer.writerow([subject, *(_cell(column, values[column]) for column in columns)])


def read_phenotypes(path: pathlib.Path) -> Phenotypes:
    """Read a table's numbers; a missing value is NaN, and columns of words are left out.

    Raises:
        InputError: No such file, no `subject` column, a subject named twice, or a cell that is no
            number in a column that has numbers or is named after their unit.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a phenotype table: {error}") from error
    if not rows or "subject" not in rows[0]:
        raise InputError(f"{path}: needs a header with a 'subject' column and at least one line")
    words = _columns_of_words(rows)
    phenotypes: Phenotypes = {}
    for line, row in enumerate(rows, start=2):
        subject = row.pop("subject")
        if subject in phenotypes:
            raise InputError(f"{path}: subject {subject} stands twice; keep one line a subject")
        try:
            phenotypes[subject] = {
                column: float(cell) if cell else math.nan
                for column, cell in row.items()
                if column not in words
            }
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}: line {line}: {error}; use numbers only") from error
    return phenotypes


def _columns_of_words(rows: list[dict[str, str]]) -> set[str]:
    """Return the columns without a single number, empty ones apart; a unit's name promises some."""

    def number(cell: str | None) -> bool:
        try:
            float(cell or "")
        except ValueError:
            return False
        return True

    found = set()
    for column in rows[0]:
        if not isinstance(column, str) or column.endswith(_NUMBERS):
            continue
        cells = [row[column] for row in rows if row[column]]
        if cells and not any(map(number, cells)):
            found.add(column)
    return found


def _cell(column: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return ""
    return str(int(value)) if column in FRAME_COLUMNS else f"{value:.6g}"
