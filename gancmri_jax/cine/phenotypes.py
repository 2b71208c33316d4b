"""`phenotypes.csv`: one line a subject, the columns' units in their names.

`subject,ed_frame,es_frame,lv_area_ed_cm2,lv_area_es_cm2,sphericity_index,lv_fac_percent,…`: frames
count from 0, an empty cell is a missing value, further numeric columns are welcome.
"""

import csv
import math
import pathlib
from collections.abc import Mapping

from gancmri_jax.errors import InputError

FRAME_COLUMNS = ("ed_frame", "es_frame")

Phenotypes = dict[str, dict[str, float]]  # subject -> column -> value


def write_phenotypes(path: pathlib.Path, phenotypes: Mapping[str, Mapping[str, float]]) -> None:
    """Write a table; the first subject's columns, in their order, are the table's."""
    columns = list(next(iter(phenotypes.values())))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["subject", *columns])
        for subject, values in phenotypes.items():
            writer.writerow([subject, *(_cell(column, values[column]) for column in columns)])


def read_phenotypes(path: pathlib.Path) -> Phenotypes:
    """Read a table; a missing value is NaN.

    Raises:
        InputError: No such file, no `subject` column, a subject named twice or a cell that is no
            number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a phenotype table: {error}") from error
    if not rows or "subject" not in rows[0]:
        raise InputError(f"{path}: needs a header with a 'subject' column and at least one line")
    phenotypes: Phenotypes = {}
    for line, row in enumerate(rows, start=2):
        subject = row.pop("subject")
        if subject in phenotypes:
            raise InputError(f"{path}: subject {subject} stands twice; keep one line a subject")
        try:
            phenotypes[subject] = {
                column: float(cell) if cell else math.nan for column, cell in row.items()
            }
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}: line {line}: {error}; use numbers only") from error
    return phenotypes


def _cell(column: str, value: float) -> str:
    if math.isnan(value):
        return ""
    return str(int(value)) if column in FRAME_COLUMNS else f"{value:.6g}"
