"""The report as a page: one HTML file that needs no other, charts as SVG and pictures within."""

import base64
import html
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

BINS = 24
MOST_ROWS = 200
CHARTS = {
    "row_mm": "Spacing of rows, mm",
    "column_mm": "Spacing of columns, mm",
    "frames": "Frames",
    "frame_ms": "Time between frames, ms",
    "heart_rate_bpm": "Heart rate, beats/min (frames × time between them)",
}
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0 }
td, th { text-align: left; padding: .15rem .8rem .15rem 0; border-bottom: 1px solid #ddd }
figure { display: inline-block; margin: .5rem 1rem .5rem 0 }
figcaption { font-size: 13px; color: #555 }
svg { background: #f6f6f6 } rect { fill: #2a6f97 }
img { max-width: 100%; background: #000 }
"""


def render_page(report: Mapping[str, Any], grid_png: bytes) -> str:
    """Return the page of a report; the grid of pictures is embedded."""
    cines = report["cines"]
    charts = [_histogram(title, [c[name] for c in cines]) for name, title in CHARTS.items()]
    charts.append(
        _bars("Recorded intensities, black to white", report["intensity_histogram"], "0", "255")
    )
    picture = base64.b64encode(grid_png).decode()
    reasons = Counter(refused["reason"] for refused in report["refused"])
    twice = [(" and ".join(pair["subjects"]), pair["pixels"]) for pair in report["duplicates"]]
    notes = [(c["subject"], note) for c in cines for note in c["notes"]]
    left = [(count, kind) for kind, count in report["not_taken"].items()]
    unmatched = report["phenotypes"]
    splits = [
        (split, report["subjects"][split], report["videos"][split], report["frames"][split])
        for split in report["subjects"]
    ]
    parts = [
        _table(("split", "subjects", "videos", "frames"), splits),
        f'<img alt="ED frames" src="data:image/png;base64,{picture}">',
        "<h2>What the cines are</h2>",
        *charts,
        _table(("rows × columns", "videos"), list(report["sizes"].items())),
        "<h2>The same heart twice</h2>",
        "<p>Such subjects are kept in one split.</p>" if twice else "<p>None was found.</p>",
        _table(("subjects", "their pixels are"), twice) if twice else "",
        "<h2>Chosen and timed</h2>",
        _table(("subject", "note"), notes) if notes else "<p>Nothing to note.</p>",
        "<h2>Not taken</h2>",
        _table(("files", "what they are"), left) if left else "<p>Everything was.</p>",
        *(
            (
                "<h2>Phenotypes</h2>",
                _table(
                    ("", "number", "names"),
                    [(k.replace("_", " "), len(v), ", ".join(v)) for k, v in unmatched.items()],
                ),
            )
            if any(unmatched.values())
            else ()
        ),
        "<h2>Refused</h2>",
        _table(("reason", "times"), reasons.most_common()) if reasons else "<p>Nothing was.</p>",
        _table(("subject", "reason"), [(r["subject"], r["reason"]) for r in report["refused"]])
        if reasons
        else "",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Prepared cines</title><style>{STYLE}</style></head><body>"
        "<h1>Prepared cines</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["<tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in header) + "</tr>"]
    for row in rows[:MOST_ROWS]:
        lines.append("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row))
    if len(rows) > MOST_ROWS:
        lines.append(f"<tr><td>… and {len(rows) - MOST_ROWS} more, in report.json")
    return "<table>" + "\n".join(lines) + "</table>"


def _histogram(title: str, values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    unknown = len(values) - len(known)
    if not known:
        return _bars(f"{title}: not known", [0.0], "", "")
    counts, edges = np.histogram(known, BINS)
    note = f"{title} ({unknown} not known)" if unknown else title
    return _bars(note, counts.tolist(), f"{edges[0]:.3g}", f"{edges[-1]:.3g}")


def _bars(title: str, heights: Sequence[float], least: str, most: str) -> str:
    width, height = 280, 90
    step, top = width / len(heights), max(heights) or 1
    bars = "".join(
        f'<rect x="{i * step:.1f}" y="{height - value / top * height:.1f}" '
        f'width="{step - 1:.1f}" height="{value / top * height:.1f}"/>'
        for i, value in enumerate(heights)
    )
    span = f": {least} to {most}" if most else ""
    return (
        f'<figure><svg width="{width}" height="{height}" role="img">{bars}</svg>'
        f"<figcaption>{html.escape(title + span)}</figcaption></figure>"
    )
