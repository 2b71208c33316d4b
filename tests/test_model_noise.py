"""Noise that moves with the beat: smooth, closed in time, of unit variance in every frame."""

import jax
import jax.numpy as jnp
import numpy as np

from gancmri_jax.model.noise import PACE, moving_noise, weights_in_time
from gancmri_jax.networks.generator import draw_noise


def correlation(weights, lag):
    return np.sum(weights * np.roll(weights, lag, axis=0), axis=1)


def test_neighbours_resemble_one_another_the_last_frame_and_the_first_too():
    for name, expected in (("blood", 0.63), ("beat", 0.93)):
        weights = weights_in_time(50, PACE[name])
        np.testing.assert_allclose(np.sum(weights**2, axis=1), 1)
        near = correlation(weights, 1)
        np.testing.assert_allclose(near, near[0])  # the same at every frame: the path is closed
        assert abs(near[0] - expected) < 0.02
        assert abs(correlation(weights, 25)[0]) < 0.2


def test_short_beats_have_the_harmonics_that_they_can():
    assert weights_in_time(4, 8.0).shape == (4, 3)
    np.testing.assert_allclose(weights_in_time(2, 8.0), np.ones((2, 1)))


def test_every_frame_has_unit_variance_and_only_what_is_named_moves():
    still = draw_noise(jax.random.key(0), 32)
    moving = moving_noise(jax.random.key(1), still, 12, PACE["blood"])
    assert [maps.shape for maps in moving] == [(12, *level.shape[1:]) for level in still]
    finest = np.asarray(moving[-1])
    assert np.abs(finest.std(axis=(1, 2)) - 1).max() < 0.1
    where = np.zeros((12, 32, 32), np.float32)
    where[:, :, 16:] = 1
    where[:, :, 8:16] = 0.5
    maps = moving_noise(jax.random.key(1), still, 12, PACE["blood"], where)
    for own, free, constant in zip(maps, moving, still, strict=True):
        quarter = own.shape[-1] // 4
        np.testing.assert_array_equal(
            own[..., :quarter], jnp.broadcast_to(constant, own.shape)[..., :quarter]
        )
        np.testing.assert_array_equal(own[..., 2 * quarter :], free[..., 2 * quarter :])
    assert abs(np.std(maps[-1][:, :, 8:16]) - 1) < 0.1
