import math

import pytest

from gancmri_jax.apps.reader_study.analysis import ALL, analyse
from gancmri_jax.apps.reader_study.answers import Answer
from gancmri_jax.apps.reader_study.store import Study


def study_of(kind, synthetic, items, repeats=0):
    return Study(
        kind=kind,
        synthetic=synthetic,
        size=8,
        num_frames=1,
        beat_ms=1000.0,
        items=items,
        repeats=repeats,
        seed=0,
        page_token="",
        sources={},
        created="",
    )


def answer(item, chosen, ranks=None, *, reader="a", repeat=False, places=("real", "fake"), s=1.0):
    return Answer(
        reader, item, repeat, item, places, places, chosen, ranks or {}, 1000 * s, "2026-01-01"
    )


def ranked(item, *order, **told):
    """An answer that names kinds from the best to the worst, and takes the best for real."""
    ranks = {kind: i + 1 for i, kind in enumerate(order)}
    return answer(item, order[0], ranks, places=order, **told)


def test_the_papers_pairs():
    """GANcMRI, section 4.1: 60 of 100 fooled, and the exact interval of that."""
    answers = [answer(i, "fake" if i < 60 else "real") for i in range(100)]
    found = analyse(study_of("pairs", ("fake",), 100), answers)
    fooled, right = (found["choices"]["a"][name] for name in ("fooled", "accuracy"))
    assert (fooled["successes"], fooled["n"], fooled["rate"]) == (60, 100, 0.6)
    assert (round(fooled["low"], 3), round(fooled["high"], 3)) == (0.497, 0.697)
    assert right["low"] == pytest.approx(1 - fooled["high"])
    assert fooled["p_value"] == pytest.approx(right["p_value"])
    assert found["places"] == [40, 60] and list(found["choices"]) == ["a"]


def test_each_synthetic_kind_counts_where_it_was_shown():
    answers = [
        answer(0, "x", places=("x", "real")),
        answer(1, "real", places=("x", "real")),
        answer(2, "y", places=("real", "y")),
    ]
    taken = analyse(study_of("pairs", ("x", "y"), 3), answers)["choices"]["a"]["taken_for_real"]
    assert (taken["x"]["successes"], taken["x"]["n"]) == (1, 2)
    assert (taken["y"]["successes"], taken["y"]["n"]) == (1, 1)


def test_repeats_count_for_agreement_alone():
    """Two of three items the same again; by chance (2·1 + 1·2)/9 = 4/9 agree: kappa 0.4."""
    answers = [answer(0, "fake"), answer(1, "fake"), answer(2, "real")]
    again = [answer(0, "fake", repeat=True), answer(1, "real", repeat=True)]
    again.append(answer(2, "real", repeat=True))
    found = analyse(study_of("pairs", ("fake",), 3, 3), answers + again)
    assert found["choices"]["a"]["fooled"]["n"] == 3
    intra = found["intra_reader"]["a"]
    assert (intra["items"], intra["same_choice"]) == (3, pytest.approx(2 / 3))
    assert intra["kappa"] == pytest.approx((2 / 3 - 4 / 9) / (1 - 4 / 9))


def test_ranks_and_their_tests():
    """Twice the same order over 4 items: χ² = 8 of the means, p = e^−4."""
    order = ("real", "f2f", "ed")
    answers = [ranked(i, *order, reader=reader) for reader in "ab" for i in range(4)]
    found = analyse(study_of("videos", ("ed", "f2f"), 4), answers)
    ranks = found["ranks"][ALL]
    assert ranks["real"]["counts"] == [8, 0, 0] and ranks["ed"]["mean"] == 3
    assert ranks["f2f"]["best_synthetic"]["rate"] == 1
    assert ranks["ed"]["best_synthetic"]["successes"] == 0
    tests = found["tests"]
    assert tests["items"] == 4 and tests["friedman"]["statistic"] == pytest.approx(8)
    assert tests["friedman"]["p_value"] == pytest.approx(math.exp(-4))
    assert [pair["kinds"] for pair in tests["wilcoxon"]] == [
        ["real", "ed"],
        ["real", "f2f"],
        ["ed", "f2f"],
    ]
    assert all(pair["holm_p_value"] == pytest.approx(3 / 8) for pair in tests["wilcoxon"])


def test_readers_who_agree_and_readers_who_do_not():
    """Choices equal on 1 of 2 items, margins (2, 0) and (1, 1): by chance 1/2, so kappa 0."""
    a = [ranked(0, "real", "x"), ranked(1, "real", "x")]
    b = [ranked(0, "real", "x", reader="b"), ranked(1, "x", "real", reader="b")]
    found = analyse(study_of("videos", ("x",), 3), [*a, *b, ranked(2, "x", "real", reader="b")])
    (pair,) = found["inter_reader"]["pairs"]
    assert pair["readers"] == ["a", "b"] and pair["items"] == 2
    assert pair["kappa"] == pytest.approx(0)
    assert pair["rank_kappa"] == pytest.approx(0)  # 2 of 4 ranks are the same, as by chance
    fleiss = found["inter_reader"]["fleiss"]
    assert fleiss["items"] == 2 and fleiss["kappa"] == pytest.approx((1 / 2 - 5 / 8) / (3 / 8))


def test_response_times():
    answers = [answer(i, "real", s=seconds) for i, seconds in enumerate((1, 2, 3, 4, 100))]
    told = analyse(study_of("pairs", ("fake",), 5), answers)["response_s"]["a"]
    assert told == {"n": 5, "low": 2, "median": 3, "high": 4}


def test_a_reader_who_has_only_begun():
    found = analyse(study_of("pairs", ("fake",), 5), [answer(0, "real")])
    assert math.isnan(found["intra_reader"]["a"]["kappa"])
    assert math.isnan(found["inter_reader"]["fleiss"]["kappa"])
