import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.benchmarks.count import _inside
from gancmri_jax.training import augmentation
from gancmri_jax.training.augmentation import Drawn, _move, draw, next_p

augment = jax.jit(augmentation.augment)
IMAGES = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (4, 16, 16, 1)), jnp.float32)


@jax.jit
def draws(p):
    """4,000 of them, for a side of 16."""
    keys = jax.random.split(jax.random.key(0), 4000)
    return jax.vmap(lambda key: draw(key, p, 16))(keys)


def test_without_augmentation_images_stay_bit_for_bit():
    np.testing.assert_array_equal(augment(jax.random.key(1), IMAGES, jnp.asarray(0.0)), IMAGES)


def test_each_image_has_its_own():
    out = augment(jax.random.key(1), jnp.repeat(IMAGES[:1], 4, axis=0), jnp.asarray(1.0))
    assert out.shape == IMAGES.shape and np.isfinite(out).all()
    assert len({row.tobytes() for row in np.asarray(out)}) == 4


def test_probability_is_a_share_of_images():
    drawn = draws(jnp.asarray(0.1))
    assert np.mean(np.asarray(drawn.moved)) == pytest.approx(1 - 0.9**5, abs=0.03)
    assert np.mean(np.asarray(drawn.gain) != 1) == pytest.approx(0.1, abs=0.02)


def test_nothing_mirrors_and_turns_are_small():
    """The linear part has a positive determinant, and its rotation is at most ten degrees."""
    drawn = draws(jnp.asarray(1.0))
    linear = np.asarray(drawn.inverse)[:, :, :2]
    assert (np.linalg.det(linear) > 0).all()
    u, _, v = np.linalg.svd(linear)
    turned = np.rad2deg(np.arccos(np.clip(np.trace(u @ v, axis1=1, axis2=2) / 2, -1, 1)))
    assert turned.max() < 10.1 and turned.max() > 5
    assert (np.asarray(drawn.gain) > 0).all()


def test_a_shift_by_whole_pixels_by_hand():
    """The new image's row 0 is the old one's row 2, in a picture of side 8."""
    fine = jnp.pad(jnp.arange(256.0).reshape(16, 16, 1), ((8, 8), (8, 8), (0, 0)), "symmetric")
    inverse = jnp.array([[1.0, 0.0, 2 / 8], [0.0, 1.0, 0.0]])
    moved = _move(fine, inverse, 8)[8:-8, 8:-8]
    np.testing.assert_allclose(moved[:12], fine[12:24, 8:-8], atol=1e-3)
    np.testing.assert_allclose(moved[12], fine[23, 8:-8], atol=1e-3)  # mirrored about the border


def test_a_constant_image_stays_constant_wherever_it_moves():
    dark = jnp.full((4, 16, 16, 1), -1.0)
    for seed in range(5, 13):
        out = augment(jax.random.key(seed), dark, jnp.asarray(1.0))
        drawn = constants(jax.random.split(jax.random.key(seed), 4))
        expected = np.broadcast_to((drawn.offset - drawn.gain)[:, None, None, None], out.shape)
        np.testing.assert_allclose(out, expected, atol=1e-4)


@jax.jit
def constants(keys):
    return jax.vmap(lambda key: draw(key, jnp.asarray(1.0), 16))(keys)


def test_gradients_go_through_twice():
    def penalty(images):
        f = lambda x: jnp.sum(jnp.sin(augment(jax.random.key(3), x, jnp.asarray(1.0))))  # noqa: E731
        return jnp.sum(jax.grad(f)(images) ** 2)

    gradient = jax.jit(jax.grad(penalty))(IMAGES[:1])
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


@pytest.mark.parametrize(
    "p, sign, expected", [(0.5, 0.9, 0.502), (0.5, 0.3, 0.498), (0.0, 0.1, 0.0), (1.0, 0.9, 1.0)]
)
def test_p_follows_the_discriminators_sureness(p, sign, expected):
    found = next_p(jnp.asarray(p), jnp.asarray(sign), 0.6, 1000)
    assert float(found) == pytest.approx(expected, abs=1e-6)


def test_what_is_drawn_is_a_record():
    drawn = draws(jnp.asarray(0.0))
    assert isinstance(drawn, Drawn)
    np.testing.assert_array_equal(drawn.inverse[0], np.eye(2, 3))


def test_nothing_is_gathered_where_nothing_moves():
    """What reads pixels by their places stands in the branch for p above 0."""
    traced = jax.make_jaxpr(augmentation.augment)(jax.random.key(0), IMAGES, jnp.asarray(0.0))

    def names(jaxpr):
        for equation in jaxpr.eqns:
            yield equation.primitive.name
            if equation.primitive.name != "cond":
                for inner in _inside(equation.params.values()):
                    yield from names(inner)

    outside = list(names(traced.jaxpr))
    assert "gather" not in outside and outside.count("cond") == 1
    assert "gather" in str(traced)
