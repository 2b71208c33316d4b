import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.benchmarks.count import multiply_adds
from gancmri_jax.networks.vgg16 import MEAN, STD, VGG16, _normalised_conv
from gancmri_jax.ops.conv import conv

KERNEL = jnp.asarray(np.random.default_rng(0).normal(size=(3, 3, 3, 4)), jnp.float32)


def test_its_size_is_the_published_one():
    """15.3 billion multiply-adds in the convolutions at 224², and one channel of ones here."""
    image = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    params = jax.eval_shape(VGG16().init, jax.random.key(0), image)
    ones = 224 * 224 * 9 * 64
    assert multiply_adds(VGG16().apply, params, image) - ones == pytest.approx(15.35e9, rel=1e-3)


def test_maps_halve_and_widen():
    maps = jax.eval_shape(
        VGG16().init_with_output,
        jax.random.key(0),
        jax.ShapeDtypeStruct((2, 64, 32, 1), jnp.float32),
    )[0]
    assert [x.shape for x in maps] == [
        (2, 64, 32, 64),
        (2, 32, 16, 128),
        (2, 16, 8, 256),
        (2, 8, 4, 512),
        (2, 4, 2, 512),
    ]


@pytest.mark.parametrize("channels", [1, 3])
def test_normalisation_within_the_convolution_is_exact_at_the_border_too(channels):
    images = jax.random.uniform(jax.random.key(1), (2, 5, 6, channels), minval=-1)
    colour = jnp.broadcast_to(images, (2, 5, 6, 3))
    mean, std = (np.asarray(of, np.float32)[None, None, None] for of in (MEAN, STD))
    apart = conv((colour - mean) / std, KERNEL, 1, 1)
    np.testing.assert_allclose(_normalised_conv(images, KERNEL), apart, atol=2e-5)
