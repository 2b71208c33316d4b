import jax
import numpy as np
import pytest

from gancmri_jax.cine.phantom.chance import Chance


def test_each_name_has_a_stream_of_its_own():
    chance = Chance(jax.random.key(0))
    first = chance.uniform("a")
    assert chance.uniform("b") != first
    assert chance.uniform("a") == first  # whatever was drawn between
    assert Chance(jax.random.key(1)).uniform("a") != first


def test_names_that_would_share_a_number_are_refused():
    chance = Chance(jax.random.key(0))
    chance.uniform("a", shape=(40_000,))
    with pytest.raises(AssertionError, match="rename"):
        chance.uniform("b", shape=(40_000,))


def test_bounds_and_weights():
    keys = jax.random.split(jax.random.key(2), 500)

    @jax.jit
    @jax.vmap
    def draws(key):
        chance = Chance(key)
        return (
            chance.uniform("even", 3, 5),
            chance.normal("bell", 10, 2),
            chance.happens("often", 0.8),
            chance.one_of("which", (1.0, 3.0)),
        )

    even, bell, often, which = map(np.asarray, draws(keys))
    assert 3 <= even.min() < 3.05 and 4.95 < even.max() <= 5
    assert 6 <= bell.min() and bell.max() <= 14 and abs(bell.mean() - 10) < 0.4
    assert abs(often.mean() - 0.8) < 4 * (0.8 * 0.2 / 500) ** 0.5
    assert abs(which.mean() - 0.75) < 4 * (0.75 * 0.25 / 500) ** 0.5
