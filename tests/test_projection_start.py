import jax
import numpy as np

from gancmri_jax.projection.start import best_start, w_statistics
from tests.tiny import tiny_model
from tests.tiny_encoder import encoding_model


def test_deviation_of_w_is_of_the_whole_vector():
    model = tiny_model(resolution=8)
    z = jax.random.normal(jax.random.key(123), (10_000, 8))
    w = np.asarray(model.map(z)[:, 0], np.float64)
    expected = np.sqrt(((w - w.mean(axis=0)) ** 2).sum() / len(w))
    np.testing.assert_allclose(w_statistics(model).deviation, expected, rtol=1e-4)


def test_the_best_start_is_the_encoder_where_there_is_one():
    assert (best_start(tiny_model(resolution=8)), best_start(encoding_model())) == (
        "mean",
        "encoder",
    )
