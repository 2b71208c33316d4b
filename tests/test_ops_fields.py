import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.ops.fields import blur


def test_blur_keeps_what_is_even_and_spreads_a_point():
    np.testing.assert_allclose(blur(jnp.full((12, 12), 3.0), 1.5), 3, rtol=1e-5)
    point = jnp.zeros((17, 17)).at[8, 8].set(1.0)
    np.testing.assert_allclose(blur(point, 0.0), point, atol=1e-6)
    blurred = blur(point, 1.0)
    at = jnp.arange(17) - 8.0
    assert blurred.sum() == pytest.approx(1, abs=1e-4)
    assert (blurred.sum(1) * at**2).sum() == pytest.approx(1.05**2, rel=0.01)
