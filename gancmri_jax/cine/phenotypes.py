"""`phenotypes.csv`: one line a subject, the columns' units in their names.

`subject,ed_frame,es_frame,lv_area_ed_cm2,lv_area_es_cm2,sphericity_index,lv_fac_percent,…`: frames
count from 0, an empty cell is a missing value, further columns are welcome. A column of words
(a diagnosis) is for people to read: it is written, and passed over when numbers are read. The
column `flags` says, in words joined by `;`, why a subject's numbers are not to be trusted.
"""

import dataclasses
import math
import pathlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from gancmri_jax.tables import MISSING, Row, read_table, rounded, write_table

FRAME_COLUMNS = ("ed_frame", "es_frame")
FLAGS = "flags"  # the column that says why a subject's numbers are not to be trusted
_UNITS = ("_frame", "_index", "_cm2", "_ml", "_mm", "_ms", "_bpm", "_percent", "_degrees")
_NUMBERS = (*_UNITS, "_phase_frames", "_cm2_low", "_cm2_high")

Phenotypes = dict[str, dict[str, float]]  # subject -> column -> value


class PhenotypeTable(Phenotypes):
    """Rows of a table, which know where they stand in it.

    Attributes:
        lines: Where each subject's row stands, `line 3`.
    """

    def __init__(self, rows: Phenotypes, lines: Mapping[str, str]) -> None:
        super().__init__(rows)
        self.lines = dict(lines)


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


def mismatch(
    matched: Matched, rows: Mapping[str, str], subjects: Mapping[str, str], most: int = 5
) -> str:
    """Say which rows and subjects have no counterpart.

    Args:
        matched: What was matched.
        rows: How each row is named: by its line, or by its subject where names are kept.
        subjects: How each subject is named: by its hash, or by itself.
        most: How many of each are listed.
    """
    parts = []
    for names, naming, said in (
        (matched.rows_without_subject, rows, "rows match no subject"),
        (matched.subjects_without_row, subjects, "subjects have no row"),
    ):
        if names:
            listed = ", ".join(naming[name] for name in names[:most])
            more = ", …" if len(names) > most else ""
            parts.append(f"{len(names)} {said} ({listed}{more})")
    return "; ".join(parts)


def write_phenotypes(
    path: pathlib.Path,
    phenotypes: Mapping[str, Mapping[str, float]] | Mapping[str, Mapping[str, float | str]],
    digits: int | None = 6,
) -> None:
    """Write a table; the first subject's columns, in their order, are the table's.

    Args:
        path: The file.
        phenotypes: Rows by subject.
        digits: Significant digits of what was measured; None for numbers as they were read.
    """
    columns = list(next(iter(phenotypes.values())))
    rows = (
        [subject, *(_cell(column, values[column], digits) for column in columns)]
        for subject, values in phenotypes.items()
    )
    write_table(path, ["subject", *columns], rows)


def read_phenotypes(path: pathlib.Path) -> PhenotypeTable:
    """Read a table's numbers; a missing value is NaN, and columns of words are left out.

    Raises:
        InputError: What `read_table` refuses; a subject that stands twice or has no name; a frame
            that is no whole number; a cell that is no finite number in a column that has numbers
            or is named after their unit.
    """
    table = read_table(path, needs=("subject",))
    rows = [row for row in table if any(cell.strip() for cell in row.cells.values())]
    columns = [column for column in rows[0].cells if column != "subject"] if rows else []
    words = {column for column in columns if _is_of_words(column, rows)}
    phenotypes: Phenotypes = {}
    lines: dict[str, int] = {}
    for row in rows:
        subject = row.cells["subject"]
        if not subject.strip():
            raise row.error("subject", "is empty; name the subject, or remove the line")
        if subject in lines:
            raise row.error(
                "subject", f"stands in line {lines[subject]} too; keep one line a subject"
            )
        lines[subject] = row.line
        phenotypes[subject] = {
            column: row.whole_number(column) if column in FRAME_COLUMNS else row.number(column)
            for column in columns
            if column not in words
        }
    return PhenotypeTable(phenotypes, {name: f"line {line}" for name, line in lines.items()})


def read_flags(path: pathlib.Path) -> dict[str, str]:
    """Read the flags of a table's flagged subjects, `curve;scale`; an older table has none.

    Raises:
        InputError: What `read_table` refuses.
    """
    rows = read_table(path, needs=("subject",))
    flags = {row.cells["subject"]: row.cells.get(FLAGS, "").strip() for row in rows}
    return {subject: text for subject, text in flags.items() if text}


def _is_of_words(column: str, rows: list[Row]) -> bool:
    """Tell whether a column holds texts and not one number; a unit's name promises numbers."""
    if column == FLAGS or column.endswith(_NUMBERS):
        return column == FLAGS
    cells = [row.cells[column].strip() for row in rows]
    filled = [cell for cell in cells if cell.lower() not in MISSING]
    return bool(filled) and not any(map(_reads_as_number, filled))


def _reads_as_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _cell(column: str, value: float | str, digits: int | None) -> float | str:
    if isinstance(value, str) or math.isnan(value) or column in FRAME_COLUMNS or digits is None:
        return value
    return rounded(value, digits)


def _number(name: str) -> str:
    """Return a name without what spreadsheets drop or add: leading zeros, `.0`, spaces."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", name.strip().removesuffix(".0"))
