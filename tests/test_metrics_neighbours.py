import numpy as np

from gancmri_jax.metrics import neighbours
from gancmri_jax.metrics.estimate import share
from gancmri_jax.metrics.neighbours import nearest, within_manifold


def test_nearest_by_hand():
    among = np.array([[0.0, 0.0], [3.0, 4.0]])
    distances, index = nearest(np.array([[3.0, 0.0], [3.0, 5.0]]), among)
    np.testing.assert_allclose(distances, [3, 1])
    np.testing.assert_array_equal(index, [0, 1])


def test_features_are_summed_over_in_parts(monkeypatch):
    a, b = np.random.default_rng(0).normal(size=(2, 30, 50)).astype(np.float32)
    whole = nearest(a, b)
    monkeypatch.setattr(neighbours, "_FEATURES_AT_ONCE", 7)
    np.testing.assert_allclose(nearest(a, b)[0], whole[0], rtol=1e-6)


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
