import numpy as np
import pytest

from gancmri_jax.latents.ridge import ridge


def centred(*arrays):
    return [array - array.mean(axis=0) for array in arrays]


def test_a_line_is_found_and_foretold_of_hearts_left_out():
    rng = np.random.default_rng(0)
    x, y = centred(x := rng.normal(size=(40, 5)), x @ [[1.0], [-2.0], [0.0], [0.5], [3.0]])
    weights, explained = ridge(x @ x.T, y)
    np.testing.assert_allclose(x.T @ weights, [[1.0], [-2.0], [0.0], [0.5], [3.0]], atol=0.01)
    assert explained > 0.999


def test_what_is_left_out_is_whole_hearts():
    """Frames of a heart foretell one another, which says nothing of another heart."""
    rng = np.random.default_rng(1)
    hearts = np.repeat(rng.normal(size=(12, 200)), 6, axis=0)
    x, y = centred(
        hearts + 0.1 * rng.normal(size=hearts.shape), np.repeat(rng.normal(size=(12, 1)), 6, axis=0)
    )
    assert ridge(x @ x.T, y).explained > 0.9
    assert ridge(x @ x.T, y, 6).explained < 0.1


def test_the_error_of_hearts_left_out_is_that_of_fits_without_them():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(12, 4))
    y = x @ rng.normal(size=(4, 2)) + rng.normal(size=(12, 2))
    x, y = centred(x, y)
    gram = x @ x.T
    weights, explained = ridge(gram, y, 3)
    # The ridge that was chosen, from what the fit leaves over: y = (gram + ridge) weights.
    amount = np.sum((y - gram @ weights) * weights) / np.sum(weights**2)
    missed = 0.0
    for heart in range(4):
        out = np.arange(12) // 3 == heart
        a, b = x[~out], y[~out]
        (u, v), (p, q) = (a.mean(axis=0), b.mean(axis=0)), centred(a, b)
        slope = np.linalg.solve(p.T @ p + amount * np.eye(4), p.T @ q)
        missed += np.square(y[out] - (x[out] - u) @ slope - v).sum()
    assert explained == pytest.approx(1 - missed / np.square(y).sum(), abs=1e-6)


def test_where_nothing_differs_nothing_is_foretold():
    alike, y = np.zeros((6, 6)), np.arange(6.0)[:, None] - 2.5
    for gram, numbers in ((alike, y), (np.eye(6), np.zeros((6, 1)))):
        weights, explained = ridge(gram, numbers)
        assert explained == 0 and not weights.any()
