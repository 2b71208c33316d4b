import jax
import numpy as np
import pytest

from gancmri_jax.cine.phantom import draw, measure
from gancmri_jax.cine.phantom.anatomy import draw_subject
from gancmri_jax.cine.phantom.clinical import (
    DIAGNOSES,
    ES_PHASE,
    HEART_RATE_BPM,
    INFARCTS,
    KINDS,
    draw_disease,
    infarct_place,
)

COUNT = 600


@pytest.fixture(scope="module")
def population():
    def one(key):
        return draw_disease(key, draw_subject(key))

    return jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(1), COUNT))


def of(population, diagnosis):
    return np.asarray(population.disease.diagnosis) == DIAGNOSES.index(diagnosis)


def test_every_kind_is_met_as_often_as_documented(population):
    assert sum(kind.share for kind in KINDS.values()) == pytest.approx(1)
    for name, kind in KINDS.items():
        sd = (kind.share * (1 - kind.share) / COUNT) ** 0.5
        assert of(population, name).mean() == pytest.approx(kind.share, abs=4 * sd)


def test_walls_span_4_to_20_mm_and_only_what_is_named_is_uneven(population):
    wall = np.asarray(population.wall_mm)
    assert wall.min() >= 4 and wall.max() <= 20 and np.ptp(wall) > 14
    hcm, infarct = of(population, "hcm"), of(population, "infarct")
    septal = np.asarray(population.disease.septal_mm)
    assert np.all((septal > 0) == hcm)
    assert np.all(septal[hcm] + wall[hcm] >= 15)
    np.testing.assert_array_equal(np.asarray(population.disease.infarct) == 1, infarct)
    thin = np.asarray(population.disease.infarct_wall_mm)
    assert thin.min() >= 3 and thin.max() <= 5.5


def test_dilated_hearts_are_large_and_weak(population):
    area = np.asarray(population.length_mm * population.half_width_mm)
    dilated, normal = of(population, "dilated_lv"), of(population, "normal")
    assert np.median(area[dilated]) > 1.4 * np.median(area[normal])
    ef = np.asarray(population.ef)
    assert ef[dilated].max() < 0.45 < ef[normal].min() + 0.05
    atria = np.asarray(population.la_half_width_mm)
    assert np.median(atria[of(population, "dilated_atria")]) > 1.3 * np.median(atria[normal])
    beside = np.asarray(population.rv_reach_mm - population.half_width_mm - population.wall_mm)
    assert np.median(beside[of(population, "dilated_rv")]) > 1.4 * np.median(beside[normal])


def test_heart_rate_time_of_es_and_ef_are_drawn_apart(population):
    rate, phase = np.asarray(population.heart_rate_bpm), np.asarray(population.rhythm.es_phase)
    assert HEART_RATE_BPM[0] <= rate.min() < 42 and 143 < rate.max() <= HEART_RATE_BPM[1]
    assert ES_PHASE[0] <= phase.min() < 0.23 and 0.57 < phase.max() <= ES_PHASE[1]
    for values in (rate, np.asarray(population.ef)):
        assert abs(np.corrcoef(values, phase)[0, 1]) < 4 / COUNT**0.5


def test_fibrillation_goes_with_large_atria(population):
    fibrillating = np.asarray(population.rhythm.kick) == 0
    assert set(np.unique(population.rhythm.kick)) == {0.0, 1.0}
    assert fibrillating[of(population, "dilated_atria")].mean() > 0.4
    assert 0 < fibrillating[of(population, "normal")].mean() < 0.3


def test_infarcts_lie_where_they_are_named():
    for place, bounds in INFARCTS.items():
        assert [infarct_place(degrees) for degrees in bounds] == [place, place]


@pytest.mark.slow
def test_measured_ef_is_the_drawn_one_and_an_infarct_takes_some_of_it():
    key = jax.random.key(2)
    subject = draw(key, "clinical")
    for infarct in (0.0, 1.0):
        held = subject._replace(
            disease=subject.disease._replace(
                infarct=np.float32(infarct), infarct_degrees=np.float32(-60)
            )
        )
        found = measure(held, 50)
        assert found["ef_percent"] == pytest.approx(
            100 * (1 - found["lv_esv_ml"] / found["lv_edv_ml"])
        )
        if not infarct:
            even = found
            assert found["ef_percent"] == pytest.approx(100 * float(subject.ef), abs=0.8)
            assert np.isnan(found["infarct_wall_ed_mm"])
        else:
            assert found["lv_area_ed_cm2"] == pytest.approx(even["lv_area_ed_cm2"], rel=1e-5)
            assert found["sphericity_index"] == pytest.approx(even["sphericity_index"], rel=1e-5)
            assert found["ef_percent"] < even["ef_percent"] - 1
            assert found["infarct_wall_es_mm"] == pytest.approx(
                found["infarct_wall_ed_mm"], abs=0.05
            )
    assert even["wall_lateral_ed_mm"] == pytest.approx(float(subject.wall_mm), abs=0.3)
    assert even["wall_lateral_es_mm"] > 1.05 * even["wall_lateral_ed_mm"]
