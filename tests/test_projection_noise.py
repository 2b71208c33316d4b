import jax.numpy as jnp
import numpy as np

from gancmri_jax.projection.noise import autocorrelation, normalize_noise


def test_autocorrelation_by_hand():
    # Stripes along one axis: shifted by one along it they turn over, along the other they stay.
    stripes = jnp.broadcast_to((-1.0) ** jnp.arange(8)[:, None], (8, 8))[None]
    np.testing.assert_allclose(autocorrelation((stripes,)), [2.0], rtol=1e-6)
    # At 16² the same stripes vanish in the pooled level; a constant counts on both levels.
    stripes = jnp.broadcast_to((-1.0) ** jnp.arange(16)[:, None], (16, 16))[None]
    np.testing.assert_allclose(autocorrelation((stripes,)), [2.0], rtol=1e-6)
    np.testing.assert_allclose(autocorrelation((jnp.ones((1, 16, 16)),)), [4.0], rtol=1e-6)


def test_noise_is_normalised_image_by_image():
    level = jnp.stack([jnp.array([[1.0, 3.0], [1.0, 3.0]]), jnp.array([[0.0, 8.0], [8.0, 0.0]])])
    (out,) = normalize_noise((level,))
    np.testing.assert_allclose(out[0], [[-1, 1], [-1, 1]], rtol=1e-6)
    np.testing.assert_allclose(out[1], [[-1, 1], [1, -1]], rtol=1e-6)
