import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.latents.directions import high_minus_low


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
