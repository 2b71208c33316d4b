"""The report that lies beside records: what was taken, what stands there twice, what was refused.

`report.json` holds every number; `report.html` shows them with nothing fetched from elsewhere;
`report.png` is a grid of ED frames. Subjects stand there under the names they are recorded by.
"""

import json
import math
import pathlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from gancmri_jax.cine.report_page import page_blocks
from gancmri_jax.cine.split import Split
from gancmri_jax.cine.staging import Staged
from gancmri_jax.page import render_html

MOST_PICTURES = 64
PICTURE_SIDE = 96
COLUMNS = 8

Report = dict[str, Any]


def make_report(
    card: Mapping[str, Any],
    staged: Sequence[Staged],
    assigned: Mapping[str, Split],
    written: Mapping[str, str],
    equal: Sequence[tuple[int, int]],
    alike: Sequence[tuple[int, int]],
) -> Report:
    """Gather what is worth knowing of a study.

    Args:
        card: Its counts and refusals.
        staged: Its cines.
        assigned: Split of each subject.
        written: Name each subject is recorded by.
        equal: Pairs of cines with equal pixels.
        alike: Pairs that look and move alike.
    """
    names = [written[cine.subject] for cine in staged]
    cines = [
        {
            "subject": name,
            "split": assigned[cine.subject],
            "ed_frame": cine.fields["ed_frame"],
            "es_frame": cine.fields["es_frame"],
            **cine.summary,
            "notes": list(cine.fields["notes"]),
        }
        for name, cine in zip(names, staged, strict=True)
    ]
    return {
        "gancmri_jax": card["gancmri_jax"],
        "options": card["options"],
        "subjects": card["subjects"],
        "videos": card["videos"],
        "frames": card["frames"],
        "sizes": dict(Counter(f"{c['rows']} × {c['columns']}" for c in cines).most_common()),
        "spacing_mm": _range([mm for c in cines for mm in (c["row_mm"], c["column_mm"])]),
        "frames_per_video": _range([c["frames"] for c in cines]),
        "frame_ms": _range([c["frame_ms"] for c in cines]),
        "heart_rate_bpm": _range([c["heart_rate_bpm"] for c in cines]),
        "intensity_histogram": np.mean([c["intensity_histogram"] for c in cines], 0)
        .round(5)
        .tolist(),
        "duplicates": [
            {"subjects": [names[i], names[j]], "videos": [i, j], "pixels": kind}
            for kind, pairs in (("equal", equal), ("alike", alike))
            for i, j in pairs
        ],
        "refused": list(card["refused"]),
        "not_taken": dict(card["not_taken"]),
        "phenotypes": card.get("phenotypes", {}),
        "cines": cines,
    }


def write_report(out: pathlib.Path, report: Report, staged: Sequence[Staged]) -> None:
    """Write `report.json`, `report.png` and `report.html` to a folder."""
    (out / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    _grid(staged).save(out / "report.png")
    (out / "report.html").write_text(render_html(page_blocks(report), out))


def _range(values: Sequence[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return {"known": 0}
    return {
        "known": len(known),
        "least": round(min(known), 3),
        "median": round(float(np.median(known)), 3),
        "most": round(max(known), 3),
    }


def _grid(staged: Sequence[Staged]) -> Image.Image:
    """Draw the ED frames of the cines, of a fair choice where there are many."""
    num_pictures = min(len(staged), MOST_PICTURES)
    chosen = [staged[i * len(staged) // num_pictures] for i in range(num_pictures)]
    columns = min(COLUMNS, num_pictures)
    size = (columns * PICTURE_SIDE, -(-num_pictures // columns) * PICTURE_SIDE)
    grid = Image.new("L", size)
    for i, cine in enumerate(chosen):
        picture = Image.fromarray(cine.pixels()[cine.fields["ed_frame"]])
        picture = picture.resize((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.BICUBIC)
        grid.paste(picture, (i % columns * PICTURE_SIDE, i // columns * PICTURE_SIDE))
    return grid
