import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.segmentation import augmentation as ops
from gancmri_jax.segmentation.augmentation import Geometry, augment

SIZE = 24


@functools.partial(jax.jit, static_argnums=(3, 5))
def one(key, image, labels, size, pixel, num_classes):
    return augment(key, image, labels, size, pixel, num_classes)


@pytest.fixture(scope="module")
def example():
    rng = np.random.default_rng(0)
    labels = np.zeros((32, 32), np.uint8)
    labels[8:20, 10:24] = 1
    labels[12:16, 4:10] = 2
    return jnp.asarray(rng.uniform(50, 255, (32, 32)), jnp.float32), jnp.asarray(labels)


def grid(rows, columns):
    row, column = jnp.meshgrid(jnp.asarray(rows), jnp.asarray(columns), indexing="ij")
    return Geometry(row, column)


def test_between_pixels_by_hand():
    image = jnp.array([[0.0, 1.0], [2.0, 3.0]])
    found = ops.sample(image, grid([0.0, 0.5], [0.0, 0.25, -0.5]))
    np.testing.assert_allclose(found, [[0, 0.25, 0], [1, 1.25, 0.5]])
    fractions = ops.sample_labels(jnp.array([[0, 1], [2, 1]]), grid([0.5, 5.0], [0.25]), 3)
    np.testing.assert_allclose(fractions[:, 0], [[0.375, 0.25, 0.375], [1, 0, 0]])


@pytest.mark.parametrize("seed", range(4))
def test_labels_move_with_the_picture(example, seed):
    _, labels = example
    geometry = jax.jit(ops.draw_geometry, static_argnums=(1, 2))(
        jax.random.key(seed), (32, 32), SIZE, 1.2
    )
    fractions = ops.sample_labels(labels, geometry, 3)
    for label in (1, 2):
        moved = ops.sample((labels == label).astype(jnp.float32), geometry)
        np.testing.assert_allclose(fractions[..., label], moved, atol=1e-6)
    np.testing.assert_allclose(fractions.sum(-1), 1, atol=1e-6)


def test_geometry_without_chance_is_the_source(example, monkeypatch):
    constants = ("SWING_DEGREES", "ANY_ANGLE", "MIRRORED", "LOG_SCALE_SD", "LOG_ASPECT_SD")
    for name in (*constants, "SHIFT_SD", "BEND"):
        monkeypatch.setattr(ops, name, 0.0)
    draw = jax.jit(ops.draw_geometry, static_argnums=(1, 2))
    geometry = draw(jax.random.key(0), (32, 32), 32, 1.0)
    np.testing.assert_allclose(ops.sample(example[0], geometry), example[0], rtol=1e-4)
    twice = draw(jax.random.key(0), (32, 32), 16, 2.0)
    np.testing.assert_allclose(twice.rows[:, 0], 0.5 + 2 * np.arange(16), atol=1e-4)


def test_an_example_is_its_keys(example):
    (image, fractions), again, other = (
        one(jax.random.key(k), *example, SIZE, 1.2, 3) for k in (0, 0, 1)
    )
    np.testing.assert_array_equal(image, again[0])
    np.testing.assert_array_equal(fractions, again[1])
    assert (image != other[0]).any() and (fractions != other[1]).any()
    assert image.shape == (SIZE, SIZE) and fractions.shape == (SIZE, SIZE, 3)
    assert image.min() == 0 and image.max() == 1
    np.testing.assert_allclose(fractions.sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_contrast_is_never_inverted(seed):
    grey = jnp.linspace(0, 1, 50)[None]
    assert (jnp.diff(ops.bend_contrast(jax.random.key(seed), grey)) > 0).all()


def test_noise_leaves_no_negative_signal():
    noisy = ops.add_noise(jax.random.key(2), jnp.eye(16))
    assert (noisy >= 0).all() and (noisy != jnp.eye(16)).any()


def test_strands_lie_in_the_ventricles_alone():
    fractions = jax.nn.one_hot(jnp.arange(48)[:, None] // 8 * jnp.ones((1, 48), int), 6)
    picture = 1 - 0.7 * fractions[..., 2]
    for seed in range(3):
        drawn = ops.weave(jax.random.key(seed), picture, fractions)
        outside = fractions[..., 1] + fractions[..., 3] == 0
        np.testing.assert_allclose(jnp.where(outside, drawn - picture, 0), 0, atol=1e-6)
        assert (drawn <= picture + 1e-6).all() and drawn.min() >= 0.29


def test_walls_grow_into_the_left_ventricle_alone():
    labels = jnp.zeros((40, 40), int).at[8:32, 8:32].set(2).at[12:28, 12:28].set(1)
    fractions = jax.nn.one_hot(labels, 6)
    picture = 0.3 + 0.7 * fractions[..., 1]
    thicken = jax.jit(ops.thicken)
    grown = [thicken(jax.random.key(seed), picture, fractions) for seed in range(16)]
    areas = [float(after[..., 1].sum()) for _, after in grown]
    assert min(areas) < 200 and max(areas) > 250  # of 256
    for drawn, after in grown:
        np.testing.assert_allclose(after.sum(-1), 1, atol=1e-5)
        np.testing.assert_allclose(after[..., 3:], 0)
        outside = labels != 1
        np.testing.assert_array_equal(drawn[outside], picture[outside])
        # What became muscle is as dark as muscle.
        np.testing.assert_allclose(drawn, 0.3 + 0.7 * after[..., 1], atol=1e-3)


def test_clutter_lies_in_the_background_alone():
    free = (jnp.arange(32)[:, None] < 16) * jnp.ones((1, 32))
    drawn = ops.strew(jax.random.key(1), jnp.full((32, 32), 0.5), free)
    assert (drawn[16:] == 0.5).all() and (drawn[:16] != 0.5).any()
