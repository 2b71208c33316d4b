import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.metrics.correlation import pearson


def test_four_points_by_hand():
    """Deviations −1.5 … 1.5 and −1, −1, 1, 1: r = 4 / √(5 · 4); Fisher's interval, n − 3 = 1."""
    found = pearson(np.array([1.0, 2, 3, 4]), np.array([0.0, 0, 2, 2]))
    r = 4 / 20**0.5
    assert found.r == pytest.approx(r) and found.n == 4
    assert found.low == pytest.approx(np.tanh(np.arctanh(r) - 1.959964), rel=1e-5)
    assert found.high == pytest.approx(np.tanh(np.arctanh(r) + 1.959964), rel=1e-5)


def test_pairs_with_a_missing_value_are_left_out():
    found = pearson(np.array([1.0, 2, 3, 4, np.nan, 9]), np.array([0.0, 0, 2, 2, 5, np.nan]))
    assert found.n == 4


def test_what_cannot_be_correlated_is_refused():
    with pytest.raises(InputError, match="at least 4 pairs of values, got 3"):
        pearson(np.arange(3.0), np.arange(3.0))
    with pytest.raises(InputError, match="constant"):
        pearson(np.arange(5.0), np.ones(5))
