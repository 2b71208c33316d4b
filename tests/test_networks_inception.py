import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.benchmarks.count import multiply_adds
from gancmri_jax.networks.inception import Inception


def test_its_size_is_the_published_one():
    """5.7 billion multiply-adds an image; 94 convolutions, each a kernel and a bias."""
    image = jax.ShapeDtypeStruct((1, 299, 299, 3), jnp.float32)
    params = jax.eval_shape(Inception().init, jax.random.key(0), image)
    assert len(jax.tree.leaves(params)) == 2 * 94
    assert multiply_adds(Inception().apply, params, image) == pytest.approx(5.71e9, rel=1e-3)


@pytest.mark.slow
def test_features_are_those_of_the_reference_and_grey_stands_for_three_equal_channels(
    shared, backbone
):
    network, params = backbone("load_inception")
    expected = np.load(shared / "reference" / "backbones.npz")["inception/features"]
    h, w, c = np.meshgrid(*map(np.arange, (299, 299, 3)), indexing="ij")
    images = [
        np.sin((h * (1 + i) + 2 * w + 30 * c) / 17) * np.cos((w * (2 + i) - h) / 29)
        for i in range(3)
    ]
    images = jnp.asarray(np.round(127.5 + 127.5 * np.stack(images)) / 127.5 - 1, jnp.float32)
    apply = jax.jit(lambda images: network.apply({"params": params}, images))
    features = apply(images)
    assert np.linalg.norm(features - expected) <= 1e-5 * np.linalg.norm(expected)
    grey = images[:1, ..., :1]
    equal = apply(jnp.tile(jnp.repeat(grey, 3, axis=-1), (3, 1, 1, 1)))[:1]
    np.testing.assert_allclose(apply(grey), equal, atol=1e-4)
