import jax
import numpy as np

from gancmri_jax.cine.phantom.chance import Chance


def test_each_name_has_a_stream_of_its_own():
    chance = Chance(jax.random.key(0))
    first = chance.uniform("a")
    assert chance.uniform("b") != first
    assert chance.uniform("a") == first  # whatever was drawn between
    assert Chance(jax.random.key(1)).uniform("a") != first


def test_bounds_and_weights():
    keys = jax.random.split(jax.random.key(2), 500)
    even = np.asarray(jax.vmap(lambda key: Chance(key).uniform("x", 3, 5))(keys))
    assert 3 <= even.min() < 3.05 and 4.95 < even.max() <= 5
    bell = np.asarray(jax.vmap(lambda key: Chance(key).normal("x", 10, 2))(keys))
    assert 6 <= bell.min() and bell.max() <= 14 and abs(bell.mean() - 10) < 0.4
    often = np.asarray(jax.vmap(lambda key: Chance(key).happens("x", 0.8))(keys))
    assert abs(often.mean() - 0.8) < 4 * (0.8 * 0.2 / 500) ** 0.5
    which = np.asarray(jax.vmap(lambda key: Chance(key).one_of("x", (1.0, 3.0)))(keys))
    assert abs(which.mean() - 0.75) < 4 * (0.75 * 0.25 / 500) ** 0.5
