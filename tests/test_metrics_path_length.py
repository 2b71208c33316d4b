import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.metrics import path_length as module
from gancmri_jax.metrics.path_length import path_length, without_extremes
from gancmri_jax.model.model import Model

PAIRS = np.float32([(0, 0), (3, 4), (1, 1), (1, 1), (0, 2), (0, 1), (0, 0), (1, 0)])


class Squares:
    """In place of LPIPS: the squares of differences between pixels, summed."""

    def apply(self, variables, a, b):
        return jnp.sum(jnp.square(a - b), axis=(1, 2, 3))


class MadeUp:
    """A model of one pixel, whose two channels are w or its square."""

    __class__ = Model
    z_dim, num_ws, params, noise = 2, 3, {}, ()

    def __init__(self, squared=False):
        self.generator, self.squared = self, squared

    def map_w(self, z):
        assert z.shape == (8, 2)
        return jnp.asarray(PAIRS)

    def apply(self, variables, ws, noise, method):
        assert method == "synthesize" and ws.shape == (8, 3, 2)
        image = ws[:, None, None, -1]
        return jnp.square(image) if self.squared else image


@pytest.fixture(autouse=True)
def squares(monkeypatch):
    monkeypatch.setattr(module, "load_lpips", lambda: (Squares(), {}))


@pytest.mark.parametrize("along", [False, True])
def test_where_images_are_straight_it_is_the_squared_distance(along):
    done = []
    found = path_length(MadeUp(), 6, along, on_done=done.append)
    np.testing.assert_allclose(found, [25, 0, 1, 1, 25, 0], rtol=1e-2)
    assert done == [4, 2]


def test_it_is_measured_at_the_first_end_or_anywhere_between():
    """Images w² change by 2 w(end − start): nothing at w = 0, 4² at w = 2 towards 1."""
    at_start, between = (path_length(MadeUp(squared=True), 4, along) for along in (False, True))
    np.testing.assert_allclose(at_start, [0, 0, 16, 0], rtol=1e-2, atol=1e-4)
    assert 0 < between[3] < 4 < between[2] < 16


def test_a_hundredth_is_left_out_at_either_end():
    np.testing.assert_array_equal(without_extremes(np.arange(101.0)), np.arange(1.0, 100.0))
