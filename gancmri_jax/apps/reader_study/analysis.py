"""What readers' answers say: whether hearts pass for real, how they rank, whether readers agree.

GANcMRI's sections 4.1 and 4.2 and Figure 4. Accuracy, ranks and agreement between readers are of
first presentations; repeats serve for agreement of a reader with himself alone.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from gancmri_jax.apps.reader_study.answers import Answer
from gancmri_jax.apps.reader_study.statistics import (
    cohen_kappa,
    compare_pairs,
    fleiss_kappa,
    friedman,
    proportion,
)
from gancmri_jax.apps.reader_study.store import REAL, Study

ALL = "all readers"

Finding = dict[str, Any]


def analyse(study: Study, answers: Sequence[Answer]) -> Finding:
    """Return every number of the report; what cannot be said is NaN."""
    first = [answer for answer in answers if not answer.repeat]
    readers = list(dict.fromkeys(answer.reader for answer in answers))
    of_reader = {name: [a for a in first if a.reader == name] for name in readers}
    if len(readers) > 1:
        of_reader[ALL] = first
    found: Finding = {
        "choices": {name: _choices(study, theirs) for name, theirs in of_reader.items()},
        "places": [
            sum(answer.places.index(answer.chosen) == place for answer in answers)
            for place in range(study.num_shown)
        ],
        "intra_reader": {name: _intra(study, answers, name) for name in readers},
        "inter_reader": _inter(study, of_reader, readers),
        "response_s": {
            name: _quartiles([a.response_ms / 1000 for a in theirs])
            for name, theirs in of_reader.items()
        },
    }
    if study.kind == "videos":
        found["ranks"] = {name: _ranks(study, theirs) for name, theirs in of_reader.items()}
        found["tests"] = _tests(study, first)
    return found


def _choices(study: Study, answers: Sequence[Answer]) -> Finding:
    n = len(answers)
    right = sum(answer.chosen == REAL for answer in answers)
    chance = 1 / study.num_shown
    by_kind = {}
    for kind in study.synthetic:
        among = [answer for answer in answers if kind in answer.places]
        taken = sum(answer.chosen == kind for answer in among)
        by_kind[kind] = proportion(taken, len(among), chance)._asdict()
    return {
        "accuracy": proportion(right, n, chance)._asdict(),
        "fooled": proportion(n - right, n, 1 - chance)._asdict(),
        "taken_for_real": by_kind,
    }


def _ranks(study: Study, answers: Sequence[Answer]) -> Finding:
    found = {}
    for kind in study.kinds:
        ranks = [answer.ranks[kind] for answer in answers]
        counts = [ranks.count(rank) for rank in range(1, study.num_shown + 1)]
        found[kind] = {"counts": counts, "mean": float(np.mean(ranks)) if ranks else np.nan}
    # The paper's "highest among synthetic methods".
    best = [min(study.synthetic, key=answer.ranks.__getitem__) for answer in answers]
    for kind in study.synthetic:
        wins = best.count(kind)
        chance = 1 / len(study.synthetic)
        found[kind]["best_synthetic"] = proportion(wins, len(best), chance)._asdict()
    return found


def _tests(study: Study, answers: Sequence[Answer]) -> Finding:
    """Test whether kinds rank differently; an item's ranks are means over readers."""
    table = _mean_ranks(study, answers)
    statistic, p_value = friedman(table)
    pairs = compare_pairs(table) if len(table) else []
    return {
        "items": len(table),
        "friedman": {"statistic": statistic, "p_value": p_value},
        "wilcoxon": [
            {
                "kinds": [study.kinds[pair.first], study.kinds[pair.second]],
                "statistic": pair.statistic,
                "p_value": pair.p_value,
                "holm_p_value": pair.holm_p_value,
            }
            for pair in pairs
        ],
    }


def _mean_ranks(study: Study, answers: Sequence[Answer]) -> Float[np.ndarray, "item kind"]:
    by_item: dict[int, list[list[int]]] = {}
    for answer in answers:
        by_item.setdefault(answer.item, []).append([answer.ranks[kind] for kind in study.kinds])
    rows = [np.mean(ranks, axis=0) for _, ranks in sorted(by_item.items())]
    return np.array(rows).reshape(len(rows), len(study.kinds))


def _intra(study: Study, answers: Sequence[Answer], reader: str) -> Finding:
    first, again = (
        {a.item: a for a in answers if a.reader == reader and a.repeat == repeat}
        for repeat in (False, True)
    )
    return _agreement(study, first, again)


def _inter(study: Study, of_reader: dict[str, list[Answer]], readers: list[str]) -> Finding:
    by_item = {name: {a.item: a for a in of_reader[name]} for name in readers}
    pairs = [
        {"readers": [one, other], **_agreement(study, by_item[one], by_item[other])}
        for one, other in itertools.combinations(readers, 2)
    ]
    shared = set.intersection(*(set(items) for items in by_item.values())) if readers else set()
    counts = np.zeros((len(shared), len(study.kinds)), int)
    for row, item in enumerate(sorted(shared)):
        for name in readers:
            counts[row, _category(study, by_item[name][item])] += 1
    return {"pairs": pairs, "fleiss": {"items": len(shared), "kappa": fleiss_kappa(counts)}}


def _agreement(study: Study, one: dict[int, Answer], other: dict[int, Answer]) -> Finding:
    """Compare two sets of answers, by item, where both answered."""
    items = sorted(one.keys() & other.keys())
    ours, theirs = (
        np.array([_category(study, side[item]) for item in items], int) for side in (one, other)
    )
    found = {
        "items": len(items),
        "same_choice": float((ours == theirs).mean()) if items else np.nan,
        "kappa": cohen_kappa(ours, theirs, len(study.kinds)),
    }
    if study.kind == "videos":
        ours, theirs = (
            np.array([side[i].ranks[kind] - 1 for i in items for kind in study.kinds], int)
            for side in (one, other)
        )
        found["rank_kappa"] = cohen_kappa(ours, theirs, study.num_shown, quadratic=True)
    return found


def _category(study: Study, answer: Answer) -> int:
    """Return which stimulus was chosen: of a pair, the real or the other."""
    if study.kind == "pairs":
        return int(answer.chosen != REAL)
    return study.kinds.index(answer.chosen)


def _quartiles(values: Sequence[float]) -> Finding:
    if not values:
        return {"n": 0, "low": np.nan, "median": np.nan, "high": np.nan}
    low, median, high = (float(value) for value in np.percentile(values, (25, 50, 75)))
    return {"n": len(values), "low": low, "median": median, "high": high}
