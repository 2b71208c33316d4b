import numpy as np

from gancmri_jax.metrics.estimate import share
from gancmri_jax.metrics.neighbours import nearest, within_manifold


def test_nearest_by_hand():
    among = np.array([[0.0, 0.0], [3.0, 4.0]])
    distances, index = nearest(np.array([[3.0, 0.0], [3.0, 5.0]]), among)
    np.testing.assert_allclose(distances, [3, 1])
    np.testing.assert_array_equal(index, [0, 1])


def test_distances_are_those_of_differences():
    """Features far from 0, where x² + y² − 2 xy would lose digits in float32; one is a copy."""
    a, b = np.random.default_rng(0).normal(50, 1, size=(2, 30, 40)).astype(np.float32)
    b[7] = a[3]
    distances, index = nearest(a, b)
    apart = np.linalg.norm(a[:, None].astype(float) - b[None], axis=-1)
    np.testing.assert_allclose(distances, apart.min(axis=1), atol=1e-5)
    np.testing.assert_array_equal(index, apart.argmin(axis=1))
    assert index[3] == 7


def test_precision_and_recall_by_hand():
    """Reals 0, 1, 2, 3 have their third neighbour at 3, 2, 2, 3; fakes 4, 5, 6, 30 at 26, 25, …."""
    real = np.array([[0.0], [1.0], [2.0], [3.0]])
    fake = np.array([[4.0], [5.0], [6.0], [30.0]])
    # 4, 5 and 6 lie within 3 of 3; 30 within nothing. All reals lie within 26 of 4.
    assert share(within_manifold(fake, real)).value == 0.75
    assert share(within_manifold(real, fake)).value == 1


def test_equal_sets_are_precise_and_complete():
    real = np.random.default_rng(0).normal(size=(50, 4))
    assert within_manifold(real, real).all()
    assert not within_manifold(real, real + 100).any()
    assert not within_manifold(real + 100, real).any()
