import jax
import jax.numpy as jnp
import numpy as np

from gancmri_jax.latents.closed_path import closed_path, wave_basis, waves_of


def test_the_basis_by_hand():
    # Four frames, a quarter turn each; the second harmonic would turn too quickly for them.
    expected = [[1, 0, 0, 0], [0, 0, 1, 0], [-1, 0, 0, 0], [0, 0, -1, 0]]
    np.testing.assert_allclose(wave_basis(4, 2), expected, atol=1e-12)
    assert wave_basis(1, 3).shape == (1, 6) and not wave_basis(1, 3).any()
    np.testing.assert_allclose(wave_basis(8, 2)[1, 1], 0, atol=1e-12)
    np.testing.assert_allclose(wave_basis(8, 2)[1, 3], 1 / 2)


def test_a_path_closes_smoothly_about_its_identity():
    basis = jnp.asarray(wave_basis(50, 4))
    keys = jax.random.split(jax.random.key(0))
    identity, waves = jax.random.normal(keys[0], (2, 3)), jax.random.normal(keys[1], (8, 2, 3))
    path = closed_path(identity, waves, basis)
    np.testing.assert_allclose(path.mean(axis=0), identity, atol=1e-5)
    steps = jnp.linalg.norm(jnp.roll(path, -1, axis=0) - path, axis=(1, 2))
    assert steps[-1] < 1.5 * steps[:-1].max()


def test_waves_are_found_again():
    basis = jnp.asarray(wave_basis(17, 4))
    waves = jax.random.normal(jax.random.key(0), (8, 2, 3))
    path = closed_path(jnp.ones((2, 3)), waves, basis)
    np.testing.assert_allclose(waves_of(path, basis), waves, atol=1e-5)


def test_what_turns_too_quickly_for_the_waves_is_left_out():
    jitter = (-1.0) ** jnp.arange(10)[:, None, None]
    assert abs(waves_of(jitter, jnp.asarray(wave_basis(10, 4)))).max() < 1e-6
    still = waves_of(jnp.ones((1, 2, 3)), jnp.asarray(wave_basis(1, 4)))
    np.testing.assert_array_equal(still, np.zeros((8, 2, 3)))
