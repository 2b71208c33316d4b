"""The report of a reader study: a folder with Markdown, HTML, JSON, CSV and plots."""

import json
import math
import pathlib
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from gancmri_jax.apps.reader_study.analysis import Finding, analyse
from gancmri_jax.apps.reader_study.answers import Answer, read_all
from gancmri_jax.apps.reader_study.plots import draw_fooled, draw_ranks, draw_response_times
from gancmri_jax.apps.reader_study.report_parts import format_rate, report_parts
from gancmri_jax.apps.reader_study.store import (
    REAL,
    Study,
    damage,
    open_study,
    progress,
    read_study,
)
from gancmri_jax.atomic import atomic_write
from gancmri_jax.errors import InputError
from gancmri_jax.experiments.report import write_report as write_pages
from gancmri_jax.tables import Cell, write_table


def write_report(path: pathlib.Path, out: pathlib.Path) -> list[str]:
    """Analyse a study's answers into a folder, and return the lines that matter most.

    Raises:
        InputError: Nobody has answered yet, the file is too damaged, or the folder cannot be made.
    """
    with open_study(path) as connection:
        try:
            study, done = read_study(connection), progress(connection)
            broken = damage(connection)
            answers, garbled = read_all(connection)
        except sqlite3.DatabaseError as error:
            raise InputError(
                f"{path}: is damaged and cannot be analysed ({error}); restore a copy"
            ) from error
    trouble = [f"the file is damaged: {line}" for line in broken]
    trouble += [f"left out: {line}" for line in garbled]
    if not answers and garbled:
        raise InputError(f"{path}: no answer can be read; {'; '.join(trouble[:3])}")
    if not answers:
        raise InputError(f"{path}: nobody has answered yet")
    found = analyse(study, answers)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be made: {error}") from error
    draw_fooled(out / "fooled.png", study, found)
    if study.kind == "videos":
        draw_ranks(out / "ranks.png", study, found)
    draw_response_times(out / "response_times.png", answers)
    _write_answers(out / "answers.csv", study, answers)
    numbers = {"study": _about(study), "answered": done, "garbled": trouble, **found}
    with atomic_write(out / "report.json") as part:
        part.write_text(json.dumps(_nulls(numbers), indent=1, ensure_ascii=False) + "\n")
    write_pages(out, report_parts(study, found, done, trouble))
    return [f"warning: {line}" for line in trouble] + [
        f"{name}: fooled {format_rate(told['fooled'])}, {told['fooled']['successes']} of "
        f"{told['fooled']['n']}"
        for name, told in found["choices"].items()
    ]


def _about(study: Study) -> Finding:
    """Return what a study is, but for what only its server needs."""
    names = ("kind", "kinds", "items", "repeats", "size", "num_frames", "beat_ms", "seed")
    return {name: getattr(study, name) for name in (*names, "sources", "created", "blinding")}


def _write_answers(path: pathlib.Path, study: Study, answers: Sequence[Answer]) -> None:
    kinds = study.kinds if study.kind == "videos" else ()
    columns = (
        *("reader", "position", "item", "repeat", "places", "subjects", "chosen", "right"),
        *(f"rank_{kind}" for kind in kinds),
        *("response_ms", "answered_at"),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            *(a.reader, a.position, a.item, int(a.repeat), " ".join(a.places)),
            *(";".join(a.subjects), a.chosen, int(a.chosen == REAL)),
            *(a.ranks[kind] for kind in kinds),
            *(round(a.response_ms), a.answered_at),
        )
        for a in answers
    ]
    with atomic_write(path) as part:
        write_table(part, columns, rows)


def _nulls(value: Any) -> Any:
    """Replace NaN, which JSON does not know."""
    if isinstance(value, Mapping):
        return {key: _nulls(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_nulls(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value
