import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from gancmri_jax.ops.pool import average_pool, max_pool

X = np.random.default_rng(0).normal(size=(2, 7, 10, 3)).astype(np.float32)


def test_an_average_leaves_padding_out():
    ones = jnp.ones((1, 3, 3, 1))
    np.testing.assert_array_equal(average_pool(ones, 3), ones)
    corner = average_pool(jnp.arange(9.0).reshape(1, 3, 3, 1), 3)[0, 0, 0, 0]
    assert corner == (0 + 1 + 3 + 4) / 4


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
@pytest.mark.parametrize(("size", "stride"), [(3, 2), (3, 1), (2, 2)])
def test_a_maximum_is_flaxs(size, stride, padding):
    ours = max_pool(jnp.asarray(X), (size, size), (stride, stride), padding)
    np.testing.assert_array_equal(
        ours, nn.max_pool(X, (size, size), (stride, stride), padding=padding)
    )


def test_a_maximum_over_time_of_what_is_negative_never_takes_the_padding():
    clip = -jnp.arange(1.0, 5).reshape(1, 4, 1, 1, 1)
    pooled = max_pool(clip, (3, 1, 1), (2, 1, 1), "SAME")
    np.testing.assert_array_equal(pooled.ravel(), [-1, -3])


def test_a_maximums_gradient_goes_to_the_winner():
    x = jnp.asarray([1.0, 3, 2, 0]).reshape(1, 2, 2, 1)
    gradient = jax.grad(lambda x: max_pool(x, (2, 2), (2, 2)).sum())(x)
    np.testing.assert_array_equal(gradient.ravel(), [0, 1, 0, 0])
