import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cine.phantom import draw_subject
from gancmri_jax.cine.phantom.anatomy import Disease
from gancmri_jax.cine.phantom.heart import lv_outlines
from gancmri_jax.cine.phantom.measure import wall_thickness_mm
from gancmri_jax.cine.phantom.motion import pose
from gancmri_jax.cine.phantom.wall import BORDER_DEGREES, within

NONE = Disease(
    diagnosis=jnp.asarray(0),
    septal_mm=jnp.asarray(0.0),
    septal_degrees=jnp.asarray(90.0),
    septal_half_degrees=jnp.asarray(35.0),
    infarct=jnp.asarray(0.0),
    infarct_degrees=jnp.asarray(-70.0),
    infarct_half_degrees=jnp.asarray(30.0),
    infarct_wall_mm=jnp.asarray(4.0),
)
outlines = jax.jit(lv_outlines)
posed = jax.jit(pose)
ANGLES = jnp.asarray([90.0, -90.0, -70.0, 0.0])


@pytest.fixture(scope="module")
def healthy():
    return draw_subject(jax.random.key(3))._replace(bend=jnp.asarray(0.0))


def sick(healthy, **fields):
    changed = {name: jnp.asarray(value, jnp.float32) for name, value in fields.items()}
    return healthy._replace(disease=NONE._replace(**changed))


def thickness(subject, phase, seen_from=0.0):
    return np.asarray(
        wall_thickness_mm(subject, posed(subject, phase), ANGLES, posed(subject, seen_from))
    )


@pytest.mark.parametrize("phase", [0.0, 0.35])
def test_without_disease_the_outlines_are_the_even_ones(healthy, phase):
    s, r = jnp.meshgrid(jnp.linspace(-10.0, 110.0, 60), jnp.linspace(-50.0, 50.0, 50))
    even = outlines(healthy, posed(healthy, phase), s, r)
    for found, expected in zip(
        outlines(sick(healthy), posed(healthy, phase), s, r), even, strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_an_infarct_neither_thickens_nor_moves_and_the_rest_does(healthy):
    subject = sick(healthy, infarct=1.0)
    ed, es = thickness(subject, 0.0), thickness(subject, 0.35)
    assert ed[2] == pytest.approx(4.0, abs=0.02) and es[2] == pytest.approx(4.0, abs=0.02)
    assert es[0] > 1.2 * ed[0]  # the septum
    # The endocardium lies on the same place at ED and ES.
    length, width = float(subject.length_mm), float(subject.half_width_mm)
    angle = np.deg2rad(-70.0)
    s = 0.6 * float(subject.wall_mm) + 0.6 * length * (1 - np.cos(angle))
    point = jnp.asarray(s), jnp.asarray(width * np.sin(angle))
    for phase in (0.0, 0.35):
        assert float(outlines(subject, posed(subject, phase), *point)[0]) == pytest.approx(
            0, abs=1e-4
        )
    assert float(outlines(healthy, posed(healthy, 0.35), *point)[0]) > 0.1


def test_an_asymmetric_septum_is_thicker_by_what_was_added(healthy):
    plain, septal = thickness(sick(healthy), 0.0), thickness(sick(healthy, septal_mm=9.0), 0.0)
    assert plain[0] == pytest.approx(float(healthy.wall_mm), abs=0.02)
    assert septal[0] - plain[0] == pytest.approx(9.0, abs=0.02)
    np.testing.assert_allclose(septal[1:], plain[1:], atol=0.02)  # lateral wall and apex


def test_the_epicardium_never_lies_within_the_endocardium(healthy):
    subject = sick(healthy, infarct=1.0, septal_mm=12.0)
    s, r = jnp.meshgrid(jnp.linspace(-10.0, 110.0, 120), jnp.linspace(-60.0, 60.0, 120))
    for phase in (0.0, 0.2, 0.35, 0.6):
        endo, epi, _ = outlines(subject, posed(subject, phase), s, r)
        assert not np.any((np.asarray(endo) < 0) & (np.asarray(epi) > 0))


def test_a_part_of_the_wall_by_hand():
    degrees = np.deg2rad([90.0, 120.0, 90 + 30 + BORDER_DEGREES + 1, -90.0])
    found = within(jnp.cos(degrees), jnp.sin(degrees), 90.0, 30.0)
    assert found[0] == pytest.approx(1.0) and 0.3 < float(found[1]) < 0.7
    assert found[2] == 0 and found[3] == 0
