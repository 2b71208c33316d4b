import jax
import jax.numpy as jnp
import numpy as np

from gancmri_jax.networks.encoder import ResidualEncoder
from tests.tiny_encoder import encoding_model


def test_a_code_of_each_image_whatever_stands_beside_it():
    encoder = encoding_model().encoder
    images = jnp.asarray(np.random.default_rng(0).normal(size=(3, 16, 16, 1)), jnp.float32)
    w = encoder(images)
    assert w.shape == (3, 8)
    np.testing.assert_allclose(encoder(images[::-1]), w[::-1], atol=1e-5)
    assert np.ptp(w, axis=0).min() > 1e-3


def test_widths_follow_the_generators_rule():
    network = ResidualEncoder(resolution=16, w_dim=5, channel_base=64, channel_max=12, hidden=3)
    params = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 16, 16, 2)))["params"]
    shapes = {name: layer["kernel"].shape for name, layer in params.items()}
    # 64 / 16 = 4 channels at 16², 8 at 8², and 12, not 16, at 4².
    assert shapes["fromrgb"] == (3, 3, 2, 4)
    assert shapes["b16_conv0"] == (3, 3, 4, 4) and shapes["b16_conv1"] == (3, 3, 4, 8)
    assert shapes["b8_conv1"] == (3, 3, 8, 12) and shapes["b8_skip"] == (1, 1, 8, 12)
    assert shapes["hidden"] == (4 * 4 * 12, 3) and shapes["out"] == (3, 5)
