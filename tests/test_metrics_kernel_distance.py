import numpy as np
import pytest

from gancmri_jax.metrics.kernel_distance import kernel_distance, mmd_squared


def test_two_points_each_by_hand():
    """k(x, y) = (xy + 1)³ is 1 within {0, 1} and within {0, 2}, and 1, 1, 1, 27 between them."""
    a, b = np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]])
    assert mmd_squared(a, b) == pytest.approx(1 + 1 - 2 * (1 + 1 + 1 + 27) / 4)


def test_it_is_unbiased_and_sees_a_shift():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 2000, 8))
    value, error = kernel_distance(a, b)
    assert error > 0 and abs(value) < 3 * error
    shifted, _ = kernel_distance(a, b + 0.5)
    assert shifted > 20 * error


@pytest.mark.slow
def test_the_error_is_the_spread_of_fresh_sets():
    rng = np.random.default_rng(0)
    values, errors = [], []
    for _ in range(30):
        a, b = rng.normal(size=(400, 3)), 1 + rng.normal(size=(400, 3))
        value, error = kernel_distance(a, b)
        values.append(value)
        errors.append(error)
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.4)
