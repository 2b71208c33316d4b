"""What the report of a reader study says, as headings, paragraphs, tables and plots."""

import math
from collections.abc import Mapping, Sequence

from gancmri_jax.apps.reader_study.analysis import ALL, Finding
from gancmri_jax.apps.reader_study.blinding import from_json
from gancmri_jax.apps.reader_study.store import REAL, Study
from gancmri_jax.page import Block, Figure, Heading, Table, Text


def report_parts(
    study: Study,
    found: Finding,
    done: Mapping[str, tuple[int, int]],
    trouble: Sequence[str] = (),
) -> list[Block]:
    """Return the report of a study.

    Args:
        study: What it is.
        found: See `analyse`.
        done: How many screens each reader has answered, and of how many.
        trouble: What is damaged or left out, a line each.
    """
    if study.kind == "pairs":
        shown = "pairs of frames, one real"
    else:
        shown = f"sets of {study.num_shown} videos, one real"
    waiting = [f"{name} ({n} of {total})" for name, (n, total) in done.items() if n < total]
    parts: list[Block] = [
        Heading(1, "Reader study"),
        Text(
            f"{study.items} {shown}; {study.repeats} of them shown twice to each reader. "
            f"Synthetic: {', '.join(study.synthetic)}. Made {study.created}, seed {study.seed}.",
        ),
    ]
    if waiting:
        parts.append(Text(f"Not complete: {', '.join(waiting)}."))
    if trouble:
        parts.append(Heading(2, "Garbled rows"))
        parts += [Text(f"{line}.") for line in trouble]
    parts += _blinding_parts(study)
    parts += [
        Heading(2, "Taken for real"),
        Text(
            "First presentations. Exact binomial 95 % intervals (Clopper and Pearson); p is of "
            f"guessing, which fools in {_number(1 - 1 / study.num_shown)}. The pooled line takes "
            "all answers as independent, which those to one item are not quite.",
        ),
        _table(_choice_rows(study, found)),
        Figure("fooled.png", "How often synthetic hearts were taken for real."),
    ]
    if study.kind == "videos":
        parts += _rank_parts(study, found)
    parts += [
        Heading(2, "Agreement"),
        Text(
            "Cohen's kappa of which one was chosen"
            + (", and of ranks with quadratic weights" if study.kind == "videos" else "")
            + "; – where it is not defined, as when all answers are the same.",
        ),
        _table(_agreement_rows(study, found)),
    ]
    fleiss = found["inter_reader"]["fleiss"]
    if len(found["intra_reader"]) > 1:
        said = f"{_number(fleiss['kappa'])}, {fleiss['items']} items that all have answered"
        parts.append(Text(f"Fleiss' kappa of all readers: {said}."))
    places = ", ".join(
        f"{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[i]} {count}" for i, count in enumerate(found["places"])
    )
    return [
        *parts,
        Heading(2, "Response times"),
        Text(f"Seconds in view before the answer. Places chosen, repeats too: {places}."),
        _table(
            [("reader", "answers", "quarter below", "median", "quarter above")]
            + [
                (name, told["n"], *(_number(told[key], 1) for key in ("low", "median", "high")))
                for name, told in found["response_s"].items()
            ],
        ),
        Figure("response_times.png", "Seconds in view before the answer."),
    ]


def _blinding_parts(study: Study) -> list[Block]:
    """Say what image statistics gave away, and what was evened out; studies of old do not know."""
    if not study.blinding:
        return []
    stages = [stage for stage in ("before", "after") if stage in study.blinding]
    rows: list[tuple] = [
        ("kind", "clips", "AUC", "of shuffled labels, 95 %", "most telling statistics")
    ]
    for stage in stages:
        shown = "as made" if stages == ["before"] else f"{stage} --match"
        for kind, verdict in from_json(study.blinding[stage]).items():
            telling = ", ".join(f"{n} {_number(a)}" for n, a in list(verdict.single.items())[:3])
            rows.append((kind, shown, _number(verdict.auc), _number(verdict.chance), telling))
    parts: list[Block] = [
        Heading(2, "Blinding"),
        Text(
            "A linear classifier of simple image statistics, cross-validated by subject: the area "
            "under the curve (AUC) with which it distinguishes a kind from real hearts. 0.5 is "
            "chance. It says nothing of what other statistics, or a trained network, could tell."
        ),
        _table(rows),
    ]
    if target := study.blinding.get("target"):
        quartiles = (target[name] for name in ("lower_quartile", "median", "upper_quartile"))
        said = (
            f"grey levels with quartiles {', '.join(f'{level:.0f}' for level in quartiles)}, noise "
            f"of {target['noise']:.2f} grey levels, fine detail {target['fine_detail']:.3f}"
        )
        if not math.isnan(target["step"]):
            said += f", a first-to-last step of {target['step']:.2f} median steps"
        parts.append(Text(f"`--match` brought clips as near as could be to {said}."))
    return parts


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


def _rank_parts(study: Study, found: Finding) -> list[Block]:
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
        Heading(2, "Ranks"),
        Text(f"Of {whose}, first presentations, 1 the best."),
        _table(rows),
        Figure("ranks.png", "How often each kind had each rank."),
        Text(
            f"Friedman's test over {tests['items']} items (ranks are means over readers): "
            f"χ² = {_number(told['statistic'])}, p {_p(told['p_value'], '= ')}. Wilcoxon's "
            "signed-rank test of every two kinds, p adjusted by Holm:",
        ),
        _table(
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


def _table(rows: list[tuple]) -> Table:
    """Return rows, of which the first is the header."""
    header, *others = [tuple(map(str, row)) for row in rows]
    return Table(header, others)


def _number(value: float, digits: int = 2) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _p(value: float, equals: str = "") -> str:
    if math.isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{equals}{value:.3f}"
