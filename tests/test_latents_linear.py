import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.latents.linear import fit_linear


def test_a_number_is_read_of_codes_never_seen():
    rng = np.random.default_rng(0)
    ws, gradient = rng.normal(size=(60, 2, 3)), rng.normal(size=(2, 3))
    numbers = 5 + np.tensordot(ws, gradient, axes=2)
    found, explained = fit_linear(ws[:50], numbers[:50])
    assert explained > 0.999
    for code, number in zip(ws[50:], numbers[50:], strict=True):
        assert float(found.of(jnp.asarray(code))) == pytest.approx(number, abs=0.05)
    np.testing.assert_allclose(found.gradient, gradient, atol=0.02)


def test_numbers_that_codes_do_not_tell_are_not_foretold():
    rng = np.random.default_rng(1)
    assert fit_linear(rng.normal(size=(40, 2, 30)), rng.normal(size=40))[1] < 0.1
