import math

import pytest
from PIL import Image

from gancmri_jax.physiology.bland_altman import (
    Pair,
    agreement,
    describe_agreement,
    plot_agreement,
)


def pair(ed, true_ed, flagged=False, fac=math.nan):
    measured = {"lv_area_ed_cm2": ed, "lv_area_es_cm2": math.nan, "lv_fac_percent": fac}
    true = {"lv_area_ed_cm2": true_ed, "lv_area_es_cm2": 9.0, "lv_fac_percent": 40.0}
    return Pair(measured, true, flagged)


PAIRS = [pair(20, 21), pair(25, 23, fac=39.96), pair(30, 28), pair(math.nan, 20)]


def test_bias_and_limits_by_hand():
    found = agreement(PAIRS, "lv_area_ed_cm2")  # differences −1, 2, 2: mean 1, SD √3
    assert found == pytest.approx((1, 1 - 1.96 * 3**0.5, 1 + 1.96 * 3**0.5, 3))
    assert agreement(PAIRS, "lv_area_es_cm2") is None
    alone = agreement(PAIRS, "lv_fac_percent")
    assert alone.bias == pytest.approx(-0.04) and math.isnan(alone.low) and alone.pairs == 1


def test_they_are_said_in_a_line_each():
    assert describe_agreement(PAIRS) == [
        "LV area at ED: bias +1.0 cm², 95 % limits of agreement −2.4 to +4.4 (3 cines)",
        "FAC: bias 0.0 percentage points (1 cine)",
    ]


def test_a_panel_is_drawn_for_each_column_that_is_known(tmp_path):
    assert plot_agreement(tmp_path / "plot.png", [*PAIRS, pair(50, 20, True)], False)
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.size == (864, 396)  # two panels
    assert not plot_agreement(tmp_path / "none.png", [pair(math.nan, 20)], False)
    assert not (tmp_path / "none.png").exists()
