"""What the report of a reader study says, as headings, paragraphs, tables and plots."""

import base64
import html
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from gancmri_jax.apps.study_analysis import ALL, Finding
from gancmri_jax.apps.study_store import REAL, Study

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0 }
td, th { text-align: left; padding: .15rem .8rem .15rem 0; border-bottom: 1px solid #ddd }
img { max-width: 100% }
"""


class Part(NamedTuple):
    """A piece of the report: a heading, a paragraph, a table (its header first) or a plot."""

    kind: Literal["heading", "text", "table", "plot"]
    content: Any


def report_parts(study: Study, found: Finding, done: Mapping[str, tuple[int, int]]) -> list[Part]:
    """Return the report of a study, of what was found and how many screens each has answered."""
    if study.kind == "pairs":
        shown = "pairs of frames, one real"
    else:
        shown = f"sets of {study.num_shown} videos, one real"
    waiting = [f"{name} ({n} of {total})" for name, (n, total) in done.items() if n < total]
    parts = [
        Part("heading", "Reader study"),
        Part(
            "text",
            f"{study.items} {shown}; {study.repeats} of them shown twice to each reader. "
            f"Synthetic: {', '.join(study.synthetic)}. Made {study.created}, seed {study.seed}.",
        ),
    ]
    if waiting:
        parts.append(Part("text", f"Not complete: {', '.join(waiting)}."))
    parts += [
        Part("heading", "Taken for real"),
        Part(
            "text",
            "First presentations. Exact binomial 95 % intervals (Clopper and Pearson); p is of "
            f"guessing, which fools in {_number(1 - 1 / study.num_shown)}. The pooled line takes "
            "all answers as independent, which those to one item are not quite.",
        ),
        Part("table", _choice_rows(study, found)),
        Part("plot", "fooled.png"),
    ]
    if study.kind == "videos":
        parts += _rank_parts(study, found)
    parts += [
        Part("heading", "Agreement"),
        Part(
            "text",
            "Cohen's kappa of which one was chosen"
            + (", and of ranks with quadratic weights" if study.kind == "videos" else "")
            + "; – where it is not defined, as when all answers are the same.",
        ),
        Part("table", _agreement_rows(study, found)),
    ]
    fleiss = found["inter_reader"]["fleiss"]
    if len(found["intra_reader"]) > 1:
        said = f"{_number(fleiss['kappa'])}, {fleiss['items']} items that all have answered"
        parts.append(Part("text", f"Fleiss' kappa of all readers: {said}."))
    places = ", ".join(
        f"{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[i]} {count}" for i, count in enumerate(found["places"])
    )
    return [
        *parts,
        Part("heading", "Response times"),
        Part("text", f"Seconds in view before the answer. Places chosen, repeats too: {places}."),
        Part(
            "table",
            [("reader", "answers", "quarter below", "median", "quarter above")]
            + [
                (name, told["n"], *(_number(told[key], 1) for key in ("low", "median", "high")))
                for name, told in found["response_s"].items()
            ],
        ),
        Part("plot", "response_times.png"),
    ]


def _choice_rows(study: Study, found: Finding) -> list[tuple]:
    header = ("reader", "items", "accuracy", "fooled", "p", *study.synthetic)
    return [header] + [
        (
            name,
            told["fooled"]["n"],
            format_rate(told["accuracy"]),
            format_rate(told["fooled"]),
            _p(told["fooled"]["p_value"]),
            *(format_rate(told["taken_for_real"][kind]) for kind in study.synthetic),
        )
        for name, told in found["choices"].items()
    ]


def _rank_parts(study: Study, found: Finding) -> list[Part]:
    ranks, tests = list(found["ranks"].values())[-1], found["tests"]
    whose = ALL if ALL in found["ranks"] else "the reader"
    rows: list[tuple] = [
        ("kind", *(f"rank {i + 1}" for i in range(study.num_shown)), "mean", "best synthetic one")
    ]
    for kind in study.kinds:
        best = format_rate(ranks[kind]["best_synthetic"]) if kind != REAL else "–"
        rows.append((kind, *ranks[kind]["counts"], _number(ranks[kind]["mean"]), best))
    told = tests["friedman"]
    return [
        Part("heading", "Ranks"),
        Part("text", f"Of {whose}, first presentations, 1 the best."),
        Part("table", rows),
        Part("plot", "ranks.png"),
        Part(
            "text",
            f"Friedman's test over {tests['items']} items (ranks are means over readers): "
            f"χ² = {_number(told['statistic'])}, p {_p(told['p_value'], '= ')}. Wilcoxon's "
            "signed-rank test of every two kinds, p adjusted by Holm:",
        ),
        Part(
            "table",
            [("kinds", "W", "p", "adjusted p")]
            + [
                (
                    " – ".join(pair["kinds"]),
                    _number(pair["statistic"], 1),
                    _p(pair["p_value"]),
                    _p(pair["holm_p_value"]),
                )
                for pair in tests["wilcoxon"]
            ],
        ),
    ]


def _agreement_rows(study: Study, found: Finding) -> list[tuple]:
    ranked = study.kind == "videos"
    rows: list[tuple] = [
        ("readers", "items", "same choice", "kappa", *(["kappa of ranks"] if ranked else []))
    ]
    compared = [(f"{name}, again", told) for name, told in found["intra_reader"].items()]
    compared += [(" – ".join(pair["readers"]), pair) for pair in found["inter_reader"]["pairs"]]
    for name, told in compared:
        values = [told["same_choice"], told["kappa"], *([told["rank_kappa"]] if ranked else [])]
        rows.append((name, told["items"], *(_number(value) for value in values)))
    return rows


def format_rate(told: Mapping[str, float]) -> str:
    """Say a proportion with its interval, as 0.60 (0.497–0.697)."""
    if not told["n"]:
        return "–"
    return f"{told['rate']:.2f} ({told['low']:.3f}–{told['high']:.3f})"


def _number(value: float, digits: int = 2) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _p(value: float, equals: str = "") -> str:
    if math.isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{equals}{value:.3f}"


def as_markdown(parts: Sequence[Part]) -> str:
    """Return a report beside which its plots lie."""
    blocks: list[str] = []
    for kind, content in parts:
        if kind == "heading":
            blocks.append(f"{'##' if blocks else '#'} {content}")
        elif kind == "table":
            lines = ["| " + " | ".join(map(str, row)) + " |" for row in content]
            lines.insert(1, "|" + "---|" * len(content[0]))
            blocks.append("\n".join(lines))
        else:
            blocks.append(content if kind == "text" else f"![]({content})")
    return "\n\n".join(blocks) + "\n"


def as_page(parts: Sequence[Part], out: pathlib.Path) -> str:
    """Return one HTML file that needs no other."""
    blocks: list[str] = []
    for kind, content in parts:
        if kind == "heading":
            level = "h2" if blocks else "h1"
            blocks.append(f"<{level}>{html.escape(content)}</{level}>")
        elif kind == "table":
            rows = []
            for number, row in enumerate(content):
                cell = "td" if number else "th"
                cells = (f"<{cell}>{html.escape(str(value))}</{cell}>" for value in row)
                rows.append(f"<tr>{''.join(cells)}</tr>")
            blocks.append(f"<table>{''.join(rows)}</table>")
        elif kind == "plot":
            picture = base64.b64encode((out / content).read_bytes()).decode()
            blocks.append(f'<p><img alt="{content}" src="data:image/png;base64,{picture}"></p>')
        else:
            blocks.append(f"<p>{html.escape(content)}</p>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Reader study</title>'
        f"<style>{STYLE}</style></head><body>\n" + "\n".join(blocks) + "\n</body></html>\n"
    )
