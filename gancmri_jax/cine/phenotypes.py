"""`phenotypes.csv`: one line a subject, the columns' units in their names.

`subject,ed_frame,es_frame,lv_area_ed_cm2,lv_area_es_cm2,sphericity_index,lv_fac_percent,…`: frames
count from 0, an empty cell is a missing value, further columns are welcome. A column of words
(a diagnosis) is for people to read: it is written, and passed over when numbers are read. The
column `flags` says, in words joined by `;`, why a subject's numbers are not to be trusted.
"""

import csv
import dataclasses
import math
import pathlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from gancmri_jax.errors import InputError

FRAME_COLUMNS = ("ed_frame", "es_frame")
FLAGS = "flags"  # the column that says why a subject's numbers are not to be trusted
_UNITS = ("_frame", "_index", "_cm2", "_ml", "_mm", "_ms", "_bpm", "_percent", "_degrees")
_NUMBERS = (*_UNITS, "_phase_frames", "_cm2_low", "_cm2_high")

Phenotypes = dict[str, dict[str, float]]  # subject -> column -> value


@dataclasses.dataclass(frozen=True)
class Matched:
    """Rows of a table and the subjects they are about.

    Attributes:
        rows: Subject to row.
        rows_without_subject: Names in the table that no subject has.
        subjects_without_row: Names of subjects that the table lacks.
        row_of: Subject to its name in the table.
    """

    rows: Phenotypes
    rows_without_subject: tuple[str, ...]
    subjects_without_row: tuple[str, ...]
    row_of: Mapping[str, str] = dataclasses.field(default_factory=dict)


def match_rows(table: Phenotypes, subjects: Iterable[str]) -> Matched:
    """Match rows with subjects by name, and by number where one of them lost its leading zeros.

    `007` is `7` unless several subjects, or several rows, would be.
    """
    names = sorted(set(subjects))
    row_of = {name: name for name in names if name in table}
    left = [name for name in names if name not in row_of]
    free = [name for name in table if name not in row_of]
    # A name that is matched already speaks for its number too.
    how_many = Counter(map(_number, names)), Counter(map(_number, table))
    by_number = {_number(name): name for name in free}
    for name in left:
        number = _number(name)
        if number in by_number and all(count[number] == 1 for count in how_many):
            row_of[name] = by_number[number]
            free.remove(by_number[number])
    return Matched(
        {name: table[row] for name, row in row_of.items()},
        tuple(free),
        tuple(name for name in left if name not in row_of),
        row_of,
    )


def mismatch(matched: Matched, naming: Mapping[str, str], most: int = 5) -> str:
    """Say which rows and subjects found no counterpart, by the names they are written by."""
    parts = []
    for names, said in (
        (matched.rows_without_subject, "rows match no subject"),
        (matched.subjects_without_row, "subjects have no row"),
    ):
        if names:
            listed = ", ".join(naming[name] for name in names[:most])
            more = ", …" if len(names) > most else ""
            parts.append(f"{len(names)} {said} ({listed}{more})")
    return "; ".join(parts)


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


def read_flags(path: pathlib.Path) -> dict[str, str]:
    """Read the flags of a table's flagged subjects, `curve;scale`; an older table has none."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a phenotype table: {error}") from error
    return {row["subject"]: text for row in rows if (text := (row.get(FLAGS) or "").strip())}


def _columns_of_words(rows: list[dict[str, str]]) -> set[str]:
    """Return the columns without a single number, empty ones apart; a unit's name promises some."""

    def number(cell: str | None) -> bool:
        try:
            float(cell or "")
        except ValueError:
            return False
        return True

    found = {FLAGS}
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


def _number(name: str) -> str:
    """Return a name without what spreadsheets drop or add: leading zeros, `.0`, spaces."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", name.strip().removesuffix(".0"))
