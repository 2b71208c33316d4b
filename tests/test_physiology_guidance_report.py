import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from gancmri_jax.errors import InputError
from gancmri_jax.latents.motions import EdToEs
from gancmri_jax.model.motion import LearnedMotion
from gancmri_jax.physiology.guidance_report import Guidance, effect, measure_guidance, summarise
from tests.test_physiology_guidance import Discs

AMOUNTS = np.linspace(-2, 3, 51)


class Hearts(Discs):
    """Ellipses that differ by seed: seed k is 2k millimetres longer; already at ED."""

    fingerprint = "discs"
    motion = LearnedMotion((EdToEs(jnp.zeros((1, 2))),))

    def sample(self, seed):
        return jnp.array([[20.0, 24.0 + 2 * seed]])

    def at_ed(self, ws):
        return self.motion.at_ed(ws)


def guidance(areas, indices):
    measured = {"lv_area_ed_cm2": np.array(areas), "sphericity_index": np.array(indices)}
    return Guidance(AMOUNTS, list(range(len(areas))), {"lv_area": measured})


def test_figures_by_hand():
    rows = [20 + 2 * AMOUNTS, 30 + 2 * AMOUNTS]
    said = summarise(guidance(rows, [0.6 - 0.01 * AMOUNTS] * 2), Hearts())["lv_area"]
    assert said["pearson_r"] == 1 and said["monotonicity"] == 1 and said["slope"] == 2
    assert said["ci95"] == [1, 1] and said["p_value"] < 1e-100
    assert (said["lowest"], said["highest"]) == (21, 31)
    # Hearts at amount 0 measure 20 and 30: their standard deviation is 5.
    assert said["cross_talk"]["lv_area_ed_cm2"] == pytest.approx(2 / 5)
    assert said["cross_talk"]["sphericity_index"] is None  # hearts that do not differ in it
    assert said["column"] == "lv_area_ed_cm2" and said["hearts"] == 2


def test_pooled_counts_the_hearts_own_differences():
    rows = [20 + 2 * AMOUNTS, 30 + 2 * AMOUNTS]
    said = summarise(guidance(rows, rows), Hearts())["lv_area"]
    expected = scipy.stats.pearsonr(np.tile(AMOUNTS, 2), np.ravel(rows)).statistic
    assert said["pearson_r_pooled"] == pytest.approx(expected, abs=1e-4)
    assert said["pearson_r_pooled"] < 0.6


def test_missing_measurements_are_left_out_and_counted():
    row = 20 + 2 * AMOUNTS
    row[:5] = np.nan
    said = summarise(guidance([row, np.full(51, np.nan)], [row] * 2), Hearts())["lv_area"]
    assert said["pearson_r"] == 1 and said["monotonicity"] == 1
    assert said["frames_without_lv"] == 5 + 51 and said["hearts_without_lv"] == 1


def test_an_effect_is_in_standard_deviations_of_unmoved_hearts():
    rows = np.array([[0.0, 1.0, 2.0], [4.0, 5.0, 6.0]])
    assert effect(np.array([-1.0, 0.0, 1.0]), rows) == pytest.approx(1 / 2)


def test_what_is_moved_is_what_is_measured():
    done = []
    found = measure_guidance(Hearts(), hearts=2, seed=3, on_heart=lambda: done.append(1))
    assert found.seeds == [3, 4] and len(done) == 4
    np.testing.assert_allclose(found.amounts, AMOUNTS)
    areas = found.measured["lv_area"]["lv_area_ed_cm2"]
    assert areas.shape == (2, 51)
    expected = np.pi * (20 + AMOUNTS) * (30 + AMOUNTS) / 100
    np.testing.assert_allclose(areas[0], expected, rtol=0.03)
    said = summarise(found, Hearts())
    assert said["lv_area"]["pearson_r"] > 0.99
    assert said["sphericity_index"]["cross_talk"]["sphericity_index"] > 0


@pytest.mark.parametrize(
    ("names", "missing", "said"),
    [
        (("ef",), None, "phenotype ef is not measured on a frame; those that are: lv_area"),
        (("lv_area",), "lv_area", "no lv_area among its directions"),
        ((), "both", "no direction for lv_area or sphericity_index; `gancmri fit"),
    ],
)
def test_what_cannot_be_guided_is_named(names, missing, said):
    model = Hearts()
    model.directions = {} if missing else model.directions
    with pytest.raises(InputError, match=said):
        measure_guidance(model, names, hearts=2)


def test_hearts_without_ventricles_are_refused():
    with pytest.raises(InputError, match="no left ventricle is found in any heart"):
        measure_guidance(Hearts(lambda axes: -np.ones_like(axes)), hearts=2)
