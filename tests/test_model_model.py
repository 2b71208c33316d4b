import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tiny import tiny_model


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def test_sizes(model):
    assert (model.resolution, model.z_dim, model.w_dim, model.num_ws) == (16, 8, 8, 6)


def test_full_truncation_gives_the_mean(model):
    ws = model.map(jnp.ones((2, 8)), truncation_psi=0.0)
    np.testing.assert_allclose(ws, jnp.broadcast_to(model.w_avg, (2, 6, 8)), rtol=1e-6)


def test_noise_modes_differ_and_const_is_the_models_own(model):
    ws = model.map(jnp.ones((2, 8)))
    const = model.synthesize(ws)
    assert const.shape == (2, 16, 16, 1)
    np.testing.assert_array_equal(const, model.synthesize(ws, model.noise))
    without = model.synthesize(ws, "none")
    drawn = model.synthesize(ws, jax.random.key(1))
    assert not np.allclose(const, without) and not np.allclose(const, drawn)
    assert not np.allclose(drawn[0], drawn[1])  # fresh maps for each image


def test_fingerprint_is_of_the_parameters_alone(model):
    assert model.fingerprint == tiny_model().fingerprint
    assert model.fingerprint != tiny_model(seed=1).fingerprint
