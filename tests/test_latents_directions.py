import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.latents.directions import high_minus_low, orthogonalised, regression


def test_high_minus_low_by_hand():
    ws = jnp.array([1.0, 2.0, 30.0, 40.0])[:, None, None]
    values = np.array([1.0, 2.0, 3.0, 10.0])  # mean 4: one is high
    np.testing.assert_allclose(high_minus_low(ws, values), [[40 - 11.0]], rtol=1e-6)


def test_a_value_at_the_mean_belongs_to_neither_side():
    ws = jnp.array([1.0, 100.0, 3.0])[:, None, None]
    np.testing.assert_allclose(high_minus_low(ws, np.array([1.0, 2.0, 3.0])), [[2.0]])


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="alike"):
        high_minus_low(jnp.zeros((3, 1, 1)), np.ones(3))
    with pytest.raises(ValueError, match="alike"):
        regression(jnp.zeros((3, 1, 1)), np.ones(3))


def test_regression_by_hand():
    # w = 2·value + 1: from the mean low value, 1, to the mean high one, 5, it is 8.
    values = np.array([0.0, 2.0, 5.0])
    ws = jnp.asarray(2 * values + 1)[:, None, None]
    np.testing.assert_allclose(regression(ws, values), [[8.0]], rtol=1e-6)


def test_both_ways_agree_where_w_depends_on_nothing_else():
    values = np.random.default_rng(0).normal(size=20)
    ws = jnp.asarray(values[:, None, None] * np.array([[3.0, -1.0]]), jnp.float32)
    np.testing.assert_allclose(regression(ws, values), high_minus_low(ws, values), rtol=1e-4)


def test_right_angles_come_halfway_from_both_sides():
    slant = np.deg2rad(60)
    pair = jnp.array([[[2.0, 0.0]], [[np.cos(slant), np.sin(slant)]]])
    upright = orthogonalised(pair)[:, 0]
    expected = [
        [np.cos(-slant / 4), np.sin(-slant / 4)],
        [np.cos(1.25 * slant), np.sin(slant * 1.25)],
    ]
    np.testing.assert_allclose(upright, np.array(expected) * [[2.0], [1.0]], atol=1e-5)


def test_directions_that_are_all_but_one_are_refused():
    with pytest.raises(ValueError, match="all but the same"):
        orthogonalised(jnp.array([[[1.0, 0.0]], [[1.0, 0.05]]]))
