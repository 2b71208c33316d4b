import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cine.phantom.artefacts import band_profile, banding, turns, wire_voids
from gancmri_jax.cine.phantom.population import draw

SMALL = jnp.meshgrid(jnp.linspace(-100.0, 100.0, 21), jnp.linspace(-150.0, 50.0, 21))


@pytest.fixture(scope="module")
def subject():
    return draw(jax.random.key(0), "wide")


def test_a_band_lies_at_half_a_turn_and_repeats_every_turn():
    assert band_profile(jnp.asarray(0.0)) == pytest.approx(1, abs=1e-5)
    assert band_profile(jnp.asarray(0.5)) < 0.05
    # Blood's plateau: within a quarter of a turn the signal changes little.
    assert band_profile(jnp.asarray(0.25)) == pytest.approx(1, abs=0.25)
    for turn in (0.1, 0.3):
        assert band_profile(jnp.asarray(1 + turn)) == pytest.approx(
            float(band_profile(jnp.asarray(turn))), rel=1e-3
        )
        assert band_profile(jnp.asarray(-turn)) == pytest.approx(
            float(band_profile(jnp.asarray(turn))), rel=1e-3
        )


def test_slopes_and_curves_of_the_field_by_hand(subject):
    field = jnp.asarray([0.1, 0.2, -0.3, 0.4, 0.5, 0.0])
    imaging = subject.imaging._replace(off_resonance=field)
    found = turns(subject, imaging, jnp.asarray([0.0, 150.0]), jnp.asarray([0.0, 75.0]))
    # 0.1 + 0.2 − 0.3/2 + 0.4 (1 − 1/4) + 0.5 · 2 · 1/2
    np.testing.assert_allclose(found, [0.1, 0.95], rtol=1e-5)
    level = imaging._replace(off_resonance=jnp.zeros(6))
    np.testing.assert_allclose(banding(subject, level, *SMALL), 1, rtol=1e-5)


def test_wires_leave_voids_where_there_are_any(subject):
    none = subject.imaging._replace(wires=jnp.asarray([[0.0, 0.0, -1.0]] * 3))
    np.testing.assert_array_equal(wire_voids(none, *SMALL), 1)
    one = none._replace(wires=none.wires.at[0].set(jnp.asarray([0.0, 0.0, 6.0])))
    factor = np.asarray(wire_voids(one, jnp.asarray([0.0, 9.0, 90.0]), jnp.full(3, -95.0)))
    assert factor[0] < 0.05 and factor[1] > 1.2  # a void, its rim
    assert factor[2] == pytest.approx(1, abs=1e-3)
