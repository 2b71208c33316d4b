import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.metrics import backbones as backbones_module
from gancmri_jax.metrics.backbones import (
    Backbone,
    extract,
    fcn_conv4,
    published_fcn,
    spatial_means,
)
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.networks.cardiac_fcn import CardiacFCN
from gancmri_jax.weights.cache import Weights
from tests.tiny_segmenter import random_variables

WHOLE = Backbone("mean", "0", "none", 4, jax.jit(lambda x: x.reshape(len(x), -1).mean(1)[:, None]))


def test_places_and_not_channels_are_the_features_of_cfid():
    """[1 2 3 4]: six places, each the mean of its four channels."""
    conv4 = jnp.arange(24.0).reshape(1, 2, 3, 4)
    np.testing.assert_allclose(spatial_means(conv4), [[1.5, 5.5, 9.5, 13.5, 17.5, 21.5]])
    square = jnp.zeros((1, 16, 16, 256)).at[0, 0, 1].set(1)  # both axes are 256 long
    np.testing.assert_array_equal(spatial_means(square)[0, :3], [0, 1, 0])


def test_the_last_batch_is_filled_and_cut():
    items = [np.full((3, 3), value, np.uint8) for value in range(6)]
    done = []
    features = extract(WHOLE, iter(items), done.append)
    np.testing.assert_array_equal(features[:, 0], np.arange(6))
    assert done == [4, 2]


def test_cfid_looks_through_the_published_networks_variables_transposed(monkeypatch):
    """Tensors by the paths that the converted checkpoint has, here of random values."""
    network = CardiacFCN()
    variables = random_variables(network, 0)
    tensors = flax.traverse_util.flatten_dict(variables, sep="/")
    published = Weights({name: np.asarray(array) for name, array in tensors.items()}, {})
    assert {"params/encoder_0_0/kernel", "batch_stats/head/norm/mean"} < tensors.keys()
    monkeypatch.setattr(backbones_module, "load_weights", {"cardiac-fcn": published}.__getitem__)
    frames = np.random.default_rng(0).integers(0, 256, (1, 64, 64)).astype(np.uint8)
    found = fcn_conv4(published_fcn(), "FCN_la_4ch_seg4").features(frames)
    own_order = fcn_conv4(Segmenter(network, variables, pixel_mm=1.0), "s")
    expected = own_order.features(frames.swapaxes(1, 2))
    assert found.shape == (1, 256)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("x_first", [False, True])
def test_a_segmenters_features_are_256_places(x_first):
    network = CardiacFCN(filters=(2, 2, 2, 2, 3), level_width=2, head_width=2)
    variables = random_variables(network, 0)
    segmenter = Segmenter(network, variables, pixel_mm=1.0, x_first=x_first)
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 64)).astype(np.uint8)
    found = fcn_conv4(segmenter, "s").features(frames)
    assert found.shape == (2, 256)
    turned = fcn_conv4(segmenter, "s").features(frames.swapaxes(1, 2))
    if x_first:  # what it sees of a transposed frame is what the other order sees of the frame
        other = Segmenter(network, variables, pixel_mm=1.0)
        np.testing.assert_allclose(turned, fcn_conv4(other, "s").features(frames), atol=1e-6)
        assert np.abs(found - turned).max() > 1e-4
