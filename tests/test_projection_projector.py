import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.projection.noise import autocorrelation, normalize_noise
from gancmri_jax.projection.projector import (
    Settings,
    project,
    w_statistics,
)
from gancmri_jax.projection.settings import learning_rate
from tests.tiny import tiny_model


@pytest.fixture(scope="module")
def model():
    return tiny_model(resolution=8)


@pytest.fixture(scope="module")
def statistics(model):
    return w_statistics(model)


def image_keys(*seeds):
    return jnp.stack([jax.random.key(seed) for seed in seeds])


def test_schedule_by_hand():
    settings = Settings(num_steps=1000)
    rates = [float(learning_rate(step, settings)) for step in (0, 25, 50, 500, 750, 875, 1000)]
    np.testing.assert_allclose(rates, [0, 0.05, 0.1, 0.1, 0.1, 0.05, 0], atol=1e-7)


def test_autocorrelation_by_hand():
    # Stripes along one axis: shifted by one along it they turn over, along the other they stay.
    stripes = jnp.broadcast_to((-1.0) ** jnp.arange(8)[:, None], (8, 8))[None]
    np.testing.assert_allclose(autocorrelation((stripes,)), [2.0], rtol=1e-6)
    # At 16² the same stripes vanish in the pooled level; a constant counts on both levels.
    stripes = jnp.broadcast_to((-1.0) ** jnp.arange(16)[:, None], (16, 16))[None]
    np.testing.assert_allclose(autocorrelation((stripes,)), [2.0], rtol=1e-6)
    np.testing.assert_allclose(autocorrelation((jnp.ones((1, 16, 16)),)), [4.0], rtol=1e-6)


def test_noise_is_normalised_image_by_image():
    level = jnp.stack([jnp.array([[1.0, 3.0], [1.0, 3.0]]), jnp.array([[0.0, 8.0], [8.0, 0.0]])])
    (out,) = normalize_noise((level,))
    np.testing.assert_allclose(out[0], [[-1, 1], [-1, 1]], rtol=1e-6)
    np.testing.assert_allclose(out[1], [[-1, 1], [1, -1]], rtol=1e-6)


def test_deviation_of_w_is_of_the_whole_vector(model, statistics):
    z = jax.random.normal(jax.random.key(123), (10_000, 8))
    w = np.asarray(model.map(z)[:, 0], np.float64)
    expected = np.sqrt(((w - w.mean(axis=0)) ** 2).sum() / len(w))
    np.testing.assert_allclose(statistics.deviation, expected, rtol=1e-4)


def test_what_is_found_renders_to_the_reported_distance_and_comes_closer(model, statistics):
    targets = model.synthesize(model.map(jax.random.normal(jax.random.key(5), (2, 8))))
    found = project(model, targets, image_keys(0, 1), Settings(num_steps=150), statistics)
    rendered = model.synthesize(found.ws, found.noise)
    squares = jnp.mean((rendered - targets) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(found.distances, squares, rtol=1e-4)  # one level at 8²
    start = model.synthesize(jnp.broadcast_to(statistics.mean, found.ws.shape))
    assert (squares < 0.2 * jnp.mean((start - targets) ** 2, axis=(1, 2, 3))).all()
    np.testing.assert_array_equal(found.ws, jnp.broadcast_to(found.ws[:, :1], found.ws.shape))


def test_w_plus_lets_rows_differ_and_comes_closer(model, statistics):
    targets = model.synthesize(jax.random.normal(jax.random.key(6), (2, model.num_ws, 8)))
    distances = {}
    for space in ("w", "w+"):
        settings = Settings(num_steps=150, space=space)
        found = project(model, targets, image_keys(0, 1), settings, statistics)
        distances[space] = found.distances
        assert np.array_equal(found.ws[:, 0], found.ws[:, 1]) == (space == "w")
    assert (distances["w+"] < distances["w"]).all()


def test_an_image_does_not_depend_on_its_batch(model, statistics):
    """In float64, since the search is chaotic in the last bits of float32."""
    with jax.enable_x64(True):
        double = lambda tree: jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), tree)  # noqa: E731
        model64 = dataclasses.replace(
            model, params=double(model.params), noise=double(model.noise), w_avg=double(model.w_avg)
        )
        targets = double(jax.random.uniform(jax.random.key(3), (3, 8, 8, 1)))
        settings, stats = Settings(num_steps=20), double(statistics)
        together = project(model64, targets, image_keys(7, 8, 9), settings, stats)
        assert together.ws.dtype == jnp.float64
        alone = project(model64, targets[1:2], image_keys(8), settings, stats)
        np.testing.assert_allclose(together.ws[1], alone.ws[0], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(together.distances[1], alone.distances[0], rtol=1e-9)
