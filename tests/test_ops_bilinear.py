import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gancmri_jax.ops.bilinear import enlarge


def test_two_samples_by_hand():
    x = jnp.array([1.0, 3.0])[None, :, None, None] * jnp.ones((1, 1, 2, 1))
    rows = enlarge(x, 2)[0, :, 1, 0]
    np.testing.assert_allclose(rows, [0.5, 1.0, 2.0, 3.0])
    np.testing.assert_allclose(enlarge(x.swapaxes(1, 2), 2)[0, 1, :, 0], rows)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_is_the_transpose_of_a_same_padded_strided_convolution(factor):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 4, 2)), jnp.float32)
    triangle = 1 - np.abs(np.arange(1 - factor, factor)) / factor
    kernel = jnp.asarray(np.multiply.outer(triangle, triangle)[..., None, None], jnp.float32)

    def shrink(y):
        def one(y):
            return lax.conv_general_dilated(
                y, kernel, (factor, factor), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )

        return jnp.concatenate([one(y[..., :1]), one(y[..., 1:])], axis=-1)

    large = jax.ShapeDtypeStruct((2, 3 * factor, 4 * factor, 2), x.dtype)
    (expected,) = jax.jit(jax.linear_transpose(shrink, large))(x)
    found = jax.jit(enlarge, static_argnums=1)(x, factor)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_factor_one_changes_nothing():
    x = jnp.ones((1, 2, 3, 1))
    assert enlarge(x, 1) is x
