import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.projection.distance import multiscale_pixel


def distance(a, b):
    return jnp.sum((multiscale_pixel(a) - multiscale_pixel(b)) ** 2, axis=1)


def test_a_constant_difference_counts_once_a_level():
    a, b = jnp.zeros((2, 32, 32, 1)), jnp.full((2, 32, 32, 1), 0.5)
    np.testing.assert_allclose(distance(a, b), 3 * 0.25, rtol=1e-6)  # 32², 16², 8²


def test_the_finest_detail_counts_at_the_finest_level_alone():
    checks = (-1.0) ** (np.arange(16)[:, None] + np.arange(16))
    a = jnp.asarray(checks)[None, :, :, None]
    np.testing.assert_allclose(distance(a, jnp.zeros_like(a)), 1, rtol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_colour_does_not_change_the_scale(channels):
    a = jnp.ones((1, 8, 8, channels))
    np.testing.assert_allclose(distance(a, -a), 4, rtol=1e-6)
