import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.segmentation import augmentation as ops
from gancmri_jax.segmentation.augmentation import Beat, Geometry, augment

SIZE = 24


@functools.partial(jax.jit, static_argnums=(3, 4))
def one(key, beat, other, size, num_classes):
    return augment(key, beat, other, size, num_classes)


@pytest.fixture(scope="module")
def example():
    rng = np.random.default_rng(0)
    labels = np.zeros((32, 32), np.uint8)
    labels[8:20, 10:24] = 1
    labels[12:16, 4:10] = 2
    images = jnp.asarray(rng.uniform(50, 255, (2, 32, 32)), jnp.float32)
    return Beat(images, jnp.asarray([labels, labels[::-1]]), jnp.array([13.5, 13.5, 20.0]))


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
    labels = example.labels[0]
    geometry = jax.jit(ops.draw_geometry, static_argnums=2)(
        jax.random.key(seed), example.heart, SIZE
    )
    fractions = ops.sample_labels(labels, geometry, 3)
    for label in (1, 2):
        moved = ops.sample((labels == label).astype(jnp.float32), geometry)
        np.testing.assert_allclose(fractions[..., label], moved, atol=1e-6)
    np.testing.assert_allclose(fractions.sum(-1), 1, atol=1e-6)


def test_geometry_without_chance_puts_the_heart_in_the_middle(example, monkeypatch):
    for name in ("SWING_DEGREES", "ANY_ANGLE", "MIRRORED", "LOG_ASPECT_SD", "BEND"):
        monkeypatch.setattr(ops, name, 0.0)
    monkeypatch.setattr(ops, "FOUND", 1.1)
    for name in ("LOG_SHARE_SD", "SHIFT_SD"):
        monkeypatch.setattr(ops, name, 0.0)
    draw = jax.jit(ops.draw_geometry, static_argnums=2)
    # A box of 20 pixels, made 62 % of 31: pixels are 20 / 19.22 as wide, about row 13.5.
    geometry = draw(jax.random.key(0), jnp.array([13.5, 9.0, 20.0]), 31)
    pixel = 20 / (0.62 * 31)
    np.testing.assert_allclose(geometry.rows[:, 0], 13.5 + pixel * np.arange(-15, 16), atol=1e-4)
    np.testing.assert_allclose(geometry.columns[0], 9 + pixel * np.arange(-15, 16), atol=1e-4)


def test_hearts_take_a_quarter_to_nearly_all_of_the_result(monkeypatch):
    for name in ("SWING_DEGREES", "ANY_ANGLE", "MIRRORED", "LOG_ASPECT_SD", "BEND"):
        monkeypatch.setattr(ops, name, 0.0)
    monkeypatch.setattr(ops, "FOUND", 0.0)
    heart = jnp.array([50.0, 50.0, 30.0])
    draw = jax.jit(jax.vmap(lambda key: ops.draw_geometry(key, heart, SIZE)))
    rows, _ = draw(jax.random.split(jax.random.key(0), 200))
    pixel = rows[:, 1, 0] - rows[:, 0, 0]
    share = 30 / (pixel * SIZE)
    assert 0.24 < share.min() < 0.3 and 0.85 < share.max() < 0.96
    # Where it is small it may be anywhere, and never outside by more than a little.
    first, last = (35 - rows[:, 0, 0]) / pixel, (65 - rows[:, 0, 0]) / pixel
    assert (first > -0.06 * SIZE).all() and (last < 1.06 * SIZE).all()
    assert first[share < 0.4].min() < 0.1 * SIZE and last[share < 0.4].max() > 0.9 * SIZE


def test_an_example_is_its_keys(example):
    (image, fractions), again, other = (
        one(jax.random.key(k), example, example, SIZE, 3) for k in (0, 0, 1)
    )
    np.testing.assert_array_equal(image, again[0])
    np.testing.assert_array_equal(fractions, again[1])
    assert (image != other[0]).any() and (fractions != other[1]).any()
    assert image.shape == (SIZE, SIZE, 2) and fractions.shape == (SIZE, SIZE, 3)
    assert image.min() == 0 and image.max() == 1
    np.testing.assert_allclose(fractions.sum(-1), 1, atol=1e-5)


@pytest.mark.slow
def test_some_examples_show_one_frame_for_all(example, monkeypatch):
    monkeypatch.setattr(ops, "STILL", 0.5)
    draw = jax.jit(lambda key: augment(key, example, example, SIZE, 3)[0])  # STILL is read here
    drawn = jnp.stack([draw(key) for key in jax.random.split(jax.random.key(0), 24)])
    still = (drawn[..., 0] == drawn[..., 1]).all(axis=(1, 2))
    assert 4 < still.sum() < 20


@pytest.mark.parametrize("seed", range(3))
def test_contrast_is_never_inverted(seed):
    grey = jnp.linspace(0, 1, 50)[None]
    assert (jnp.diff(ops.bend_contrast(jax.random.key(seed), grey)) > 0).all()


def test_noise_leaves_no_negative_signal():
    noisy = jax.jit(ops.add_noise)(jax.random.key(2), jax.random.key(3), jnp.eye(16))
    assert (noisy >= 0).all() and (noisy != jnp.eye(16)).any()


def test_strands_lie_in_the_ventricles_alone():
    fractions = jax.nn.one_hot(jnp.arange(48)[:, None] // 8 * jnp.ones((1, 48), int), 6)
    picture = 1 - 0.7 * fractions[..., 2]
    weave = jax.jit(ops.weave)
    for seed in range(3):
        drawn = weave(jax.random.key(seed), picture, fractions)
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
    drawn = jax.jit(ops.strew)(jax.random.key(1), jnp.full((32, 32), 0.5), free)
    assert (drawn[16:] == 0.5).all() and (drawn[:16] != 0.5).any()


def test_pieces_of_another_heart_lie_in_the_background_alone(monkeypatch):
    monkeypatch.setattr(ops, "DOUBLE", 1.1)
    free = (jnp.arange(32)[:, None] < 16) * jnp.ones((1, 32))
    drawn = jax.jit(ops.double)(
        jax.random.key(1), jnp.full((32, 32), 0.5), jnp.zeros((32, 32)), free
    )
    assert (drawn[16:] == 0.5).all() and drawn[:16].min() < 0.1
    assert (drawn[:16] > 0.45).any()  # a piece, not all of it
