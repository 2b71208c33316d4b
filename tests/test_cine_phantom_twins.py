import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cine.phantom import draw_subject, measure, twin
from gancmri_jax.cine.phantom.motion import es_phase
from gancmri_jax.cine.phantom.twins import FACTORS, with_rhythm

FRAMES = 50


@pytest.fixture(scope="module")
def heart():
    return with_rhythm(draw_subject(jax.random.key(6)))


@pytest.fixture(scope="module")
def measured(heart):
    return measure(heart, FRAMES)


# Factor, value, the measure that it sets, and those that follow.
TWINS = [
    ("lv_area_ed_cm2", 38.0, 38.0, {"lv_area_es_cm2", "lv_edv_ml", "lv_esv_ml"}),
    ("heart_rate_bpm", 120.0, 120.0, set()),
    ("wall_ed_mm", 14.0, 14.0, set()),
    ("ef", 0.35, 35.0, {"lv_area_es_cm2", "lv_fac_percent", "lv_esv_ml"}),
    ("lv_fac", 0.45, 45.0, {"lv_area_es_cm2"}),
    ("es_phase", 0.5, 25, set()),
]
SETS = {
    "ef": "ef_percent",
    "lv_fac": "lv_fac_percent",
    "es_phase": "es_frame",
    "wall_ed_mm": "wall_thickness_ed_mm",
}


@pytest.mark.parametrize("factor, value, measures, follow", TWINS)
def test_a_factor_changes_alone(heart, measured, factor, value, measures, follow):
    found = measure(twin(heart, **{factor: value}), FRAMES)
    name = SETS.get(factor, factor)
    assert found[name] == pytest.approx(measures, rel=0.012)
    assert found[name] != pytest.approx(measured[name], rel=0.02)
    for other in measured.keys() - {name} - follow:
        assert found[other] == pytest.approx(measured[other], rel=0.012), other


def test_sphericity_keeps_the_area(heart, measured):
    found = measure(twin(heart, sphericity=0.7), FRAMES)
    assert found["lv_area_ed_cm2"] == pytest.approx(measured["lv_area_ed_cm2"], rel=2e-3)
    assert found["sphericity_index"] > measured["sphericity_index"] + 0.05


def test_what_is_not_of_the_heart_stays(heart):
    other = twin(heart, lv_area_ed_cm2=35.0, ef=0.4, es_phase=0.3, kick=0.0, la_size=1.3)
    for name in ("waves", "vessels", "chest_mm", "noise", "fov_mm", "size", "ra_depth_mm"):
        np.testing.assert_array_equal(getattr(other, name), getattr(heart, name))
    assert other.rhythm.kick == 0 and other.la_depth_mm == pytest.approx(1.3 * heart.la_depth_mm)


def test_a_normal_heart_keeps_its_time_of_es_when_its_rate_changes():
    plain = draw_subject(jax.random.key(6))
    assert plain.rhythm is None
    fast = twin(plain, heart_rate_bpm=140.0)
    assert es_phase(fast) == pytest.approx(float(es_phase(plain)))
    # Left to itself it would come later in a shorter beat.
    assert es_phase(plain._replace(heart_rate_bpm=jnp.asarray(140.0))) > es_phase(plain) + 0.05


def test_many_twins_at_once():
    hearts = jax.vmap(draw_subject)(jax.random.split(jax.random.key(0), 5))
    values = jnp.linspace(0.3, 0.5, 5)
    later = jax.vmap(lambda heart, value: twin(heart, es_phase=value))(hearts, values)
    np.testing.assert_array_equal(later.rhythm.es_phase, values)
    np.testing.assert_array_equal(later.ef, hearts.ef)


def test_an_unknown_factor_is_refused_by_name(heart):
    with pytest.raises(ValueError, match=r"no factor 'sise'; there are lv_area_ed_cm2"):
        twin(heart, sise=1.0)
    assert list(FACTORS)[0] == "lv_area_ed_cm2"
