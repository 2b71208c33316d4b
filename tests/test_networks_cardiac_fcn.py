import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gancmri_jax.networks.cardiac_fcn import CLASSES, CardiacFCN, ConvNorm, Merge
from gancmri_jax.ops.bilinear import enlarge
from tests.tiny_segmenter import random_variables

SMALL = CardiacFCN(filters=(2, 3, 4, 5, 6), level_width=2, head_width=3)


@pytest.fixture(scope="module")
def variables():
    return random_variables(SMALL, 0)


def test_the_published_network_has_the_published_size():
    image = jnp.zeros((1, 256, 256, 1))
    variables = jax.eval_shape(CardiacFCN().init, jax.random.key(0), image)
    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(variables["params"]))
    assert count == 1_985_686
    *_, conv4 = jax.eval_shape(lambda v: CardiacFCN().apply(v, image, method="levels"), variables)
    assert conv4.shape == (1, 16, 16, 256)
    logits = jax.eval_shape(CardiacFCN().apply, variables, image)
    assert logits.shape == (1, 256, 256, len(CLASSES))


def test_strides_pad_as_tensorflow_does():
    layer = ConvNorm(3, stride=2)
    x = jax.random.normal(jax.random.key(1), (2, 6, 8, 2))
    variables = layer.init(jax.random.key(0), x, False)
    plain = lax.conv_general_dilated(
        x,
        variables["params"]["kernel"],
        (2, 2),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    expected = jax.nn.relu(plain / math.sqrt(1 + 1e-3))  # statistics start at mean 0, variance 1
    np.testing.assert_allclose(layer.apply(variables, x, False), expected, atol=1e-5)


def test_merging_is_a_convolution_over_the_enlarged_levels():
    levels = [jax.random.normal(jax.random.key(i), (1, 8 >> i, 8 >> i, 2)) for i in range(3)]
    layer = Merge(4)
    variables = jax.jit(layer.init, static_argnums=2)(jax.random.key(0), levels, False)
    join = jax.jit(lambda xs: jnp.concatenate([enlarge(x, 2**i) for i, x in enumerate(xs)], -1))
    joined = join(levels)
    plain = jnp.einsum("nhwi,io->nhwo", joined, variables["params"]["kernel"][0, 0])
    expected = jax.nn.relu(plain / math.sqrt(1 + 1e-3))
    found = jax.jit(layer.apply, static_argnums=2)(variables, levels, False)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_an_image_is_judged_alone(variables):
    images = jax.random.uniform(jax.random.key(1), (3, 16, 32, 1))
    apply = jax.jit(SMALL.apply)
    logits, beside_another = (
        apply(variables, images[:2]),
        apply(variables, images[jnp.array([0, 2])]),
    )
    assert logits.shape == (2, 16, 32, 6)
    np.testing.assert_allclose(logits[0], beside_another[0], atol=1e-6)
    assert (logits[1] != beside_another[1]).any()


def test_training_normalises_by_the_batch_and_remembers_it():
    layer = ConvNorm(2, size=1)
    x = 3 + 2 * jax.random.normal(jax.random.key(0), (4, 8, 8, 1))
    variables = layer.init(jax.random.key(1), x, False)
    kernel = variables["params"]["kernel"][0, 0, 0]
    y, new = layer.apply(variables, x, True, mutable="batch_stats")
    plain = x * kernel[None, None, None]
    standard = (plain - plain.mean((0, 1, 2), keepdims=True)) / jnp.sqrt(
        plain.var((0, 1, 2), keepdims=True) + 1e-3
    )
    np.testing.assert_allclose(y, jax.nn.relu(standard), atol=1e-3)
    mean = new["batch_stats"]["norm"]["mean"]
    np.testing.assert_allclose(mean, 0.01 * plain.mean((0, 1, 2)), rtol=1e-4)


def test_levels_halve_the_image(variables):
    levels = SMALL.apply(variables, jnp.zeros((1, 32, 16, 1)), method="levels")
    assert [level.shape for level in levels] == [
        (1, 32, 16, 2),
        (1, 16, 8, 3),
        (1, 8, 4, 4),
        (1, 4, 2, 5),
        (1, 2, 1, 6),
    ]
