import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gancmri_jax.ops.conv3d import conv3d

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("frames", [4, 5])
@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (7, 2), (1, 1)])
def test_it_is_xlas_convolution(frames, size, stride):
    x = jnp.asarray(RNG.normal(size=(2, frames, 6, 9, 3)), jnp.float32)
    kernel = jnp.asarray(RNG.normal(size=(size, size, size, 3, 4)), jnp.float32)
    expected = lax.conv_general_dilated(
        x, kernel, (stride,) * 3, "SAME", dimension_numbers=("NDHWC", "DHWIO", "NDHWC")
    )
    np.testing.assert_allclose(conv3d(x, kernel, stride), expected, atol=1e-4)


def test_time_is_padded_with_zeros_on_the_side_where_tensorflow_does():
    """Four frames by stride 2 and kernel 3 want one frame of padding: it stands at the end."""
    x = jnp.asarray([1.0, 10, 100, 1000]).reshape(1, 4, 1, 1, 1)
    kernel = jnp.zeros((3, 3, 3, 1, 1)).at[:, 1, 1].set(1)
    np.testing.assert_array_equal(conv3d(x, kernel, 2).ravel(), [111, 1100])
