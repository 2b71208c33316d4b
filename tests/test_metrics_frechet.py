import numpy as np
import pytest
import scipy.linalg

from gancmri_jax.errors import InputError
from gancmri_jax.metrics.frechet import Moments, frechet_distance, frechet_distance_of


def draw(seed, n=200, d=12):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


def test_two_gaussians_by_hand():
    """Standard deviations 1 and 3, means 2 apart: 2² + (3 − 1)² = 8 in one dimension."""
    a = np.array([[-1.0], [1.0]] * 10)
    assert frechet_distance(Moments.of(a), Moments.of(3 * a + 2), ddof=0) == pytest.approx(8)


def test_a_set_is_at_no_distance_from_itself():
    a = Moments.of(draw(0))
    assert abs(frechet_distance(a, a)) < 1e-8 * np.trace(a.covariance(1))


@pytest.mark.parametrize("ddof", [0, 1])
def test_the_distance_is_pytorch_fids(ddof):
    """‖μ₁ − μ₂‖² + Tr(Σ₁ + Σ₂ − 2 √(Σ₁ Σ₂)), by SciPy's matrix root."""
    a, b = draw(1), draw(2, n=150)
    cov_a, cov_b = (np.cov(x, rowvar=False, ddof=ddof) for x in (a, b))
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    shift = a.mean(axis=0) - b.mean(axis=0)
    expected = shift @ shift + np.trace(cov_a + cov_b - 2 * root)
    ours = frechet_distance(Moments.of(a), Moments.of(b), ddof)
    assert ours == pytest.approx(expected, rel=1e-6)


def test_batches_add_up_about_a_large_mean():
    a = draw(3) + 1e6
    moments = Moments(12)
    for part in np.array_split(a, [1, 7, 90]):
        moments.add(part)
    np.testing.assert_allclose(moments.covariance(1), np.cov(a, rowvar=False), rtol=1e-6)
    np.testing.assert_allclose(moments.mean, a.mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("ddof", [0, 1])
def test_few_samples_take_a_shorter_way_to_the_same_distance(ddof):
    a, b = draw(6, n=40, d=60), draw(7, n=50, d=60)
    long = frechet_distance(Moments.of(a), Moments.of(b), ddof)
    assert frechet_distance_of(a, b, ddof) == pytest.approx(long, rel=1e-5)


def test_fewer_samples_than_features_give_a_real_number():
    a, b = draw(4, n=5), draw(5, n=6)
    assert np.isfinite(frechet_distance(Moments.of(a), Moments.of(b)))
    with pytest.raises(InputError, match="more than 1 samples, got 1"):
        Moments.of(a[:1]).covariance(1)
