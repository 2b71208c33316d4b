import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from gancmri_jax.networks.residual import residual_trunk


class Trunk(nn.Module):
    dtype: jnp.dtype = jnp.float32
    limit: float | None = None

    @nn.compact
    def __call__(self, images):
        return residual_trunk(
            images,
            resolution=16,
            rgb_size=3,
            channel_base=64,
            channel_max=12,
            dtype=self.dtype,
            limit=self.limit,
        )


@pytest.fixture(scope="module")
def images():
    return jnp.asarray(100 * np.random.default_rng(0).normal(size=(2, 16, 16, 1)), jnp.float32)


@pytest.fixture(scope="module")
def params(images):
    """What `init` would draw, with nothing to compile."""
    shapes = jax.eval_shape(Trunk().init, jax.random.key(1), images)
    rng = np.random.default_rng(1)
    draw = lambda leaf: rng.normal(size=leaf.shape) if leaf.ndim > 1 else np.zeros(leaf.shape)  # noqa: E731
    return jax.tree.map(lambda leaf: jnp.asarray(draw(leaf), leaf.dtype), shapes)


def apply(trunk, params, images):
    return jax.jit(trunk.apply)(params, images)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_images_are_halved_down_to_4_and_leave_in_float32(images, params, dtype):
    found = apply(Trunk(dtype), params, images)
    assert found.shape == (2, 4, 4, 12) and found.dtype == jnp.float32
    np.testing.assert_allclose(found, apply(Trunk(), params, images), rtol=0.05, atol=3)


def test_its_layers_are_those_of_the_module_that_calls_it(params):
    blocks = {f"b{size}_{part}" for size in (16, 8) for part in ("skip", "conv0", "conv1")}
    assert set(params["params"]) == {"fromrgb"} | blocks


def test_activations_are_kept_within_the_limit(images, params):
    """What is summed is within it, and the shortcuts of what is within it are bounded too."""
    free, kept = (np.abs(apply(Trunk(limit=limit), params, images)).max() for limit in (None, 0.5))
    assert free > 20 and kept < 5
