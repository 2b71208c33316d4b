import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.ops.conv import conv
from gancmri_jax.ops.conv_by_rows import conv_by_rows

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(2, 11, 9, 3)), jnp.float32)
KERNEL = jnp.asarray(RNG.normal(size=(3, 3, 3, 4)), jnp.float32)


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), (2, 0), (2, 1)])
def test_it_is_a_convolution_and_so_is_its_gradient(stride, padding):
    def energy(road, x):
        return jnp.sum(road(x, KERNEL, stride, padding) ** 2)

    both = jax.jit(lambda road, x: road(x, KERNEL, stride, padding), static_argnums=0)
    np.testing.assert_allclose(both(conv_by_rows, X), both(conv, X), atol=2e-5)
    gradient = jax.jit(jax.grad(energy, argnums=1), static_argnums=0)
    ours, plain = (gradient(road, X) for road in (conv_by_rows, conv))
    np.testing.assert_allclose(ours, plain, atol=5e-4)
