"""CSV tables: one strict reader and one writer for the whole package.

Spreadsheets run cells that begin with `=`, `+`, `-`, `@`, a tab or a line break as formulas (OWASP,
"CSV Injection"). A text cell that begins so is written with an apostrophe before it, and the
reader takes that apostrophe away again. Numbers are written as they are.
"""

import csv
import dataclasses
import io
import math
import numbers
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import SupportsFloat

from gancmri_jax.errors import InputError

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
MISSING = ("", "nan")  # in small letters
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_DISARMED = re.compile(r"'+[=+\-@\t\r\n]")

Cell = str | SupportsFloat | None


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        path: The table's file.
        line: Where the row begins in it; the first line is 1.
        cells: Text by column.
    """

    path: pathlib.Path
    line: int
    cells: dict[str, str]

    def number(self, column: str) -> float:
        """Return a cell as a number, NaN where it is missing.

        Raises:
            InputError: It is something else, or a number too large to be kept.
        """
        text = self.cells[column].strip()
        if text.lower() in MISSING:
            return math.nan
        if NUMBER.fullmatch(text) and math.isfinite(value := float(text)):
            return value
        # A text may name a person, where columns have moved; what reads as a number does not.
        said = f"{text[:40]!r} is not finite" if _reads_as_float(text) else "this is no number"
        raise self.error(column, f"{said}; write a number such as 3.5, or leave the cell empty")

    def whole_number(self, column: str) -> float:
        """Return a cell as a whole number, NaN where it is missing.

        Raises:
            InputError: It is something else.
        """
        value = self.number(column)
        if not (math.isnan(value) or value.is_integer()):
            raise self.error(column, f"{value:g} is no whole number; frames are counted from 0")
        return value

    def error(self, column: str, said: str) -> InputError:
        """Return an error that names line and column."""
        return InputError(f"{self.path}: line {self.line}, column {column}: {said}")


def read_table(path: pathlib.Path, needs: Sequence[str] = ()) -> list[Row]:
    """Read a table with a header; empty lines are passed over.

    Args:
        path: A CSV file, separated by commas, in UTF-8.
        needs: Columns that must be there.

    Raises:
        InputError: The file cannot be read, a quote is not closed, a column stands twice, has no
            name or is missing, a row is longer or shorter than the header, or there is no row.
    """
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        line = 1 + error.object.count(b"\n", 0, error.start)
        raise InputError(f"{path}: line {line}: is not UTF-8 text; save the table as UTF-8") from (
            error
        )
    lines = _lines(path, content)
    columns = next(lines, (1, []))[1]
    _check_header(path, columns, needs)
    rows = []
    for line, cells in lines:
        if len(cells) != len(columns):
            raise InputError(
                f"{path}: line {line}: has {len(cells)} cells, and the header {len(columns)}; "
                "put quotes around a cell that holds a comma"
            )
        rows.append(Row(path, line, dict(zip(columns, cells, strict=True))))
    if not rows:
        raise InputError(f"{path}: has a header and no row; add at least one")
    return rows


def loose_rows(content: str) -> list[list[str]]:
    """Return the rows of a text that need not be a table; none from where it cannot be read on."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(content, newline="")):
            rows.append([_armed(cell) for cell in row])
    except csv.Error:  # a cell too long for the reader
        pass
    return rows


def write_table(path: pathlib.Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Write a table in UTF-8.

    Args:
        path: The file; wrap it in `atomic_write`.
        columns: The header.
        rows: Cells: texts are disarmed, None and NaN stay empty, and a float is written in full,
            as `rounded` leaves it.
    """
    # A lone surrogate, as undecodable file names hold, cannot be written as UTF-8.
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow([_disarmed(column) for column in columns])
        writer.writerows([_written(cell) for cell in row] for row in rows)


def rounded(value: SupportsFloat, digits: int = 6) -> float:
    """Return a number to so many significant digits."""
    return float(f"{float(value):.{digits}g}")


def _lines(path: pathlib.Path, content: str) -> Iterator[tuple[int, list[str]]]:
    """Yield cells and where they begin, without empty lines."""
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            said = (
                "a quote is opened and not closed"
                if "unexpected end" in str(error)
                else f"cannot be read as CSV ({error})"
            )
            raise InputError(f"{path}: line {line}: {said}") from error
        if cells:
            yield line, [_armed(cell) for cell in cells]


def _check_header(path: pathlib.Path, columns: Sequence[str], needs: Sequence[str]) -> None:
    for number, column in enumerate(columns, start=1):
        if not column.strip():
            raise InputError(f"{path}: line 1: column {number} has no name")
        if columns.count(column) > 1:
            raise InputError(f"{path}: line 1: column {column} stands twice; keep one of them")
    for column in needs:
        if column not in columns:
            semicolons = any(";" in column for column in columns)
            hint = "; separate cells by commas, not semicolons" if semicolons else ""
            raise InputError(f"{path}: line 1: the header needs a {column!r} column{hint}")


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return _disarmed(cell)
    if isinstance(cell, numbers.Integral):
        return str(int(cell))
    value = float(cell)
    return "" if math.isnan(value) else repr(value).removesuffix(".0")


def _disarmed(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def _armed(text: str) -> str:
    return text[1:] if _DISARMED.match(text) else text


def _reads_as_float(text: str) -> bool:
    try:
        return not math.isfinite(float(text))
    except ValueError:
        return False
