import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.video.images import interpolation, seed_ws, style_mix, truncation_sweep
from tests.tiny import tiny_model


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def test_a_sweep_goes_through_the_mean_to_the_far_side(model):
    ws = truncation_sweep(model, [3, 4], [-1.0, 0.0, 1.0])
    assert ws.shape == (2, 3, 6, 8)
    np.testing.assert_allclose(ws[:, 2], seed_ws(model, [3, 4]), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ws[0, 1, 5], model.w_avg, rtol=1e-6)
    np.testing.assert_allclose((ws[:, 0] + ws[:, 2]) / 2, ws[:, 1], atol=1e-5)


def test_mixing_takes_early_rows_from_one_seed_and_late_ones_from_the_other(model):
    mixed = style_mix(model, [1, 2], [3, 4, 5], 2, truncation_psi=0.5)
    assert mixed.shape == (2, 3, 6, 8)
    np.testing.assert_array_equal(mixed[1, 2, :2], model.sample(2, 0.5)[:2])
    np.testing.assert_array_equal(mixed[1, 2, 2:], model.sample(5, 0.5)[2:])


def test_interpolation_meets_every_seed_and_closes_smoothly():
    ws = jnp.asarray(np.random.default_rng(0).normal(size=(4, 1, 3)), jnp.float32)
    path = np.asarray(interpolation(ws, 100))
    assert path.shape == (400, 1, 3)
    np.testing.assert_allclose(path[::100], ws, atol=1e-6)
    steps = np.diff(np.concatenate([path, path[:2]]), axis=0)
    assert np.abs(np.diff(steps, axis=0)).max() < 0.05 * np.abs(steps).max()


def test_two_seeds_go_there_and_back():
    ws = jnp.asarray([[[0.0]], [[1.0]]])
    np.testing.assert_allclose(interpolation(ws, 2)[:, 0, 0], [0, 0.5, 1, 0.5], atol=1e-6)
