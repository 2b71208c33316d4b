import math

import numpy as np
import pytest

from gancmri_jax.apps.reader_study.statistics import (
    cohen_kappa,
    compare_pairs,
    fleiss_kappa,
    friedman,
    holm,
    proportion,
)


def test_the_papers_sixty_fooled_of_a_hundred():
    """GANcMRI, section 4.1; the exact interval by Clopper and Pearson."""
    found = proportion(60, 100, 0.5)
    assert found.rate == 0.6
    assert (round(found.low, 3), round(found.high, 3)) == (0.497, 0.697)
    assert found.p_value == pytest.approx(0.0569, abs=1e-4)


def test_all_and_none_and_nothing():
    """All of n: the lower limit is (0.025)^(1/n); p of 4 heads in 4 throws is 2/16."""
    found = proportion(4, 4, 0.5)
    assert found.high == 1 and found.low == pytest.approx(0.025**0.25)
    assert found.p_value == pytest.approx(1 / 8)
    assert proportion(0, 4, 0.5).high == pytest.approx(1 - 0.025**0.25)
    assert math.isnan(proportion(0, 0, 0.5).rate)


def test_friedman_by_hand():
    """Rank sums 4, 8, 12 of 4 blocks: 12/(4·3·4)·(16+64+144) − 3·4·4 = 8, and p = e^−4."""
    statistic, p = friedman(np.array([[1.0, 2, 3]] * 4))
    assert statistic == pytest.approx(8) and p == pytest.approx(math.exp(-4))


def test_friedman_ranks_within_a_block():
    means = np.array([[1.5, 2.0, 2.5], [1.2, 2.9, 1.9], [2.8, 1.1, 2.1]])
    ranks = np.array([[1.0, 2, 3], [1, 3, 2], [3, 1, 2]])
    assert friedman(means) == pytest.approx(friedman(ranks))


def test_friedman_of_too_little_is_unknown():
    for ranks in (np.ones((5, 3)), np.array([[1.0, 2, 3]]), np.array([[1.0, 2], [2, 1]])):
        assert all(map(math.isnan, friedman(ranks)))


def test_wilcoxon_by_hand():
    """Six differences of one sign: the smaller sum is 0, its two-sided p is 2/2^6."""
    ranks = np.array([[0, 1], [0, 2], [0, 3], [0, 4], [0, 5], [0, 6.0], [7, 7]])
    (only,) = compare_pairs(ranks)
    assert (only.first, only.second, only.statistic) == (0, 1, 0)
    assert only.p_value == pytest.approx(2 / 64) == only.holm_p_value
    (tied,) = compare_pairs(np.ones((5, 2)))
    assert tied.p_value == 1


def test_holm_by_hand():
    """Sorted .01·4, .02·3, .03·2 → .06, .04·1 → not less than the one before."""
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.6]) == [1, 1] and holm([]) == []


def test_cohen_by_hand():
    """20, 5, 10 and 15 of 50: 0.7 agree, 0.5 would by chance, so 0.4."""
    first = np.repeat([0, 0, 1, 1], [20, 5, 10, 15])
    second = np.repeat([0, 1, 0, 1], [20, 5, 10, 15])
    assert cohen_kappa(first, second, 2) == pytest.approx(0.4)
    assert cohen_kappa(first, first, 2) == 1
    assert cohen_kappa(first, 1 - first, 2) < 0


def test_weighted_kappa_by_hand():
    """(0,0), (1,2), (2,1) of three: cost 2/3; margins uniform, by chance 12/9; so 1/2."""
    first, second = np.array([0, 1, 2]), np.array([0, 2, 1])
    assert cohen_kappa(first, second, 3, quadratic=True) == pytest.approx(0.5)
    assert cohen_kappa(first, second, 3) == pytest.approx(0)


def test_kappa_of_one_answer_is_unknown():
    same = np.zeros(5, int)
    assert math.isnan(cohen_kappa(same, same, 2))
    assert math.isnan(fleiss_kappa(np.array([[3, 0], [3, 0]])))
    assert math.isnan(cohen_kappa(same[:0], same[:0], 2))
    assert math.isnan(fleiss_kappa(np.array([[1, 0], [0, 1]])))  # one reader
    assert math.isnan(fleiss_kappa(np.zeros((0, 2), int)))


def test_fleiss_by_hand():
    """Three readers: 1 and 1/3 agree, margins 4/6 and 2/6, by chance 20/36; so 1/4."""
    assert fleiss_kappa(np.array([[3, 0], [1, 2]])) == pytest.approx(0.25)
    assert fleiss_kappa(np.array([[2, 0], [0, 2]])) == 1
