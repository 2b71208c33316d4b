"""The report of prepared cines as a page: tables, and charts of what the cines are."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gancmri_jax.page import Block, Chart, Figure, Heading, Table, Text

BINS = 24
MOST_ROWS = 200
CHARTS = {
    "row_mm": "Spacing of rows, mm",
    "column_mm": "Spacing of columns, mm",
    "frames": "Frames",
    "frame_ms": "Time between frames, ms",
    "heart_rate_bpm": "Heart rate, beats/min (frames × time between them)",
}


def page_blocks(report: Mapping[str, Any]) -> list[Block]:
    """Return the page of a report; the grid of pictures is `report.png`."""
    cines = report["cines"]
    splits = [
        (split, report["subjects"][split], report["videos"][split], report["frames"][split])
        for split in report["subjects"]
    ]
    reasons = Counter(refused["reason"] for refused in report["refused"])
    twice = [(" and ".join(pair["subjects"]), pair["pixels"]) for pair in report["duplicates"]]
    notes = [(c["subject"], note) for c in cines for note in c["notes"]]
    left = [(count, kind) for kind, count in report["not_taken"].items()]
    unmatched = report["phenotypes"]
    blocks: list[Block] = [
        Heading(1, "Prepared cines"),
        _table(("split", "subjects", "videos", "frames"), splits),
        Figure("report.png", "ED frames"),
        Heading(2, "What the cines are"),
        *(_histogram(title, [c[name] for c in cines]) for name, title in CHARTS.items()),
        Chart("Recorded intensities, black to white: 0 to 255", report["intensity_histogram"]),
        _table(("rows × columns", "videos"), list(report["sizes"].items())),
        Heading(2, "The same heart twice"),
        Text("Such subjects are kept in one split." if twice else "None was found."),
    ]
    if twice:
        blocks.append(_table(("subjects", "their pixels are"), twice))
    blocks.append(Heading(2, "Chosen and timed"))
    blocks.append(_table(("subject", "note"), notes) if notes else Text("Nothing to note."))
    blocks.append(Heading(2, "Not taken"))
    blocks.append(_table(("files", "what they are"), left) if left else Text("Everything was."))
    if any(unmatched.values()):
        rows = [(k.replace("_", " "), len(v), ", ".join(v)) for k, v in unmatched.items()]
        blocks += [Heading(2, "Phenotypes"), _table(("", "number", "names"), rows)]
    blocks.append(Heading(2, "Refused"))
    if not reasons:
        return [*blocks, Text("Nothing was.")]
    refused = [(r["subject"], r["reason"]) for r in report["refused"]]
    return [
        *blocks,
        _table(("reason", "times"), reasons.most_common()),
        _table(("subject", "reason"), refused),
    ]


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Return a table of texts, of which no backtick makes code."""
    lines = [[str(cell).replace("`", "'") for cell in row] for row in rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        lines.append([f"… and {len(rows) - MOST_ROWS} more, in report.json"])
    return Table(header, lines)


def _histogram(title: str, values: Sequence[float | None]) -> Chart:
    known = [value for value in values if value is not None]
    unknown = len(values) - len(known)
    if not known:
        return Chart(f"{title}: not known", [0.0])
    counts, edges = np.histogram(known, BINS)
    note = f"{title} ({unknown} not known)" if unknown else title
    return Chart(f"{note}: {edges[0]:.3g} to {edges[-1]:.3g}", counts.tolist())
