import numpy as np
import pytest

from gancmri_jax.latents.ridge import ridge


def fit(x, y, rows_a_heart=1, chunk=None):
    """Fit y over x, in chunks of so many rows."""
    chunk = chunk or len(x)
    firsts = range(0, len(x), chunk)
    pairs = [(x[first : first + chunk], y[first : first + chunk]) for first in firsts]
    return ridge(lambda: iter(pairs), len(x), rows_a_heart)


def centred(*arrays):
    return [array - array.mean(axis=0) for array in arrays]


def test_a_line_is_found_and_foretold_of_hearts_left_out():
    rng = np.random.default_rng(0)
    x, y = centred(x := rng.normal(size=(40, 5)), x @ [[1.0], [-2.0], [0.0], [0.5], [3.0]])
    found = fit(x, y)
    np.testing.assert_allclose(found.slope, [[1.0], [-2.0], [0.0], [0.5], [3.0]], atol=0.01)
    assert found.explained > 0.999


def test_what_is_left_out_is_whole_hearts():
    """Frames of a heart foretell one another, which says nothing of another heart."""
    rng = np.random.default_rng(1)
    hearts = np.repeat(rng.normal(size=(12, 200)), 6, axis=0)
    x, y = centred(
        hearts + 0.1 * rng.normal(size=hearts.shape), np.repeat(rng.normal(size=(12, 1)), 6, axis=0)
    )
    assert fit(x, y).explained > 0.9
    assert fit(x, y, 6).explained < 0.1


def test_the_error_of_hearts_left_out_is_that_of_fits_without_them():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(12, 4))
    y = x @ rng.normal(size=(4, 2)) + rng.normal(size=(12, 2))
    x, y = centred(x, y)
    found = fit(x, y, 3)
    # The slope that its ridge gives, as textbooks have it.
    slope = np.linalg.solve(x.T @ x + found.amount * np.eye(4), x.T @ y)
    np.testing.assert_allclose(found.slope, slope, atol=1e-9)
    missed = 0.0
    for heart in range(4):
        out = np.arange(12) // 3 == heart
        a, b = x[~out], y[~out]
        (u, v), (p, q) = (a.mean(axis=0), b.mean(axis=0)), centred(a, b)
        slope = np.linalg.solve(p.T @ p + found.amount * np.eye(4), p.T @ q)
        missed += np.square(y[out] - (x[out] - u) @ slope - v).sum()
    assert found.explained == pytest.approx(1 - missed / np.square(y).sum(), abs=1e-6)


def test_where_nothing_differs_nothing_is_foretold():
    alike, y = np.zeros((6, 3)), np.arange(6.0)[:, None] - 2.5
    for x, numbers in ((alike, y), (np.eye(6), np.zeros((6, 1)))):
        found = fit(x, numbers)
        assert found.explained == 0 and not found.slope.any()


@pytest.mark.parametrize("dimensions", [5, 100], ids=["covariance", "products"])
def test_chunks_change_nothing(dimensions):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, dimensions))
    y = x[:, :3] @ rng.normal(size=(3, 20)) + rng.normal(size=(40, 20))
    x, y = centred(x, y)
    whole, parts = fit(x, y, 2), fit(x, y, 2, 8)
    np.testing.assert_allclose(parts.slope, whole.slope, atol=1e-9)
    assert parts.explained == pytest.approx(whole.explained, abs=1e-9)
    for ours, theirs in zip(parts.strongest(3), whole.strongest(3), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)
    # The strongest responses are those of the fitted values' singular value decomposition.
    left, values, right = np.linalg.svd(x @ whole.slope, full_matrices=False)
    axes, responses = whole.strongest(3)
    expected = (left[:, :3] * values[:3]) @ right[:3]
    np.testing.assert_allclose(x @ axes @ responses, expected, atol=1e-8)
    np.testing.assert_allclose(np.square(x @ axes).sum(axis=0), 1)
