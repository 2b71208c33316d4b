import math

import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.physiology import intervals
from gancmri_jax.physiology.intervals import (
    FACTOR,
    FLOOR,
    Look,
    area_intervals,
    deviation,
    looked_at,
)
from gancmri_jax.physiology.phenotypes import measure
from gancmri_jax.physiology.score import describe_coverage
from gancmri_jax.segmentation.segment import segment
from tests.tiny_segmenter import bright_segmenter


def test_a_look_by_hand():
    pixels = np.zeros((1, 5, 5))
    pixels[0, 0, 2] = 8
    pixels[0, 2, 4] = 5
    cine = Cine(pixels, (1.0, 1.0), None, "s")
    turned = looked_at(cine, Look(False, 90.0, 1.0)).pixels[0]
    assert any(np.allclose(turned, np.rot90(pixels[0], k), atol=1e-5) for k in (1, 3))
    mirrored = looked_at(cine, Look(True, 0.0, 1.0)).pixels[0]
    np.testing.assert_array_equal(mirrored, pixels[0, :, ::-1])


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0), (2.0, 1.0)])
def test_a_disc_is_turned_and_scaled_in_millimetres(spacing_mm):
    row, column = np.indices((60, 120)) * np.array(spacing_mm)[:, None, None]
    middle = (59 * spacing_mm[0] / 2, 119 * spacing_mm[1] / 2)
    disc = (np.hypot(row - middle[0], column - middle[1]) < 12).astype(float)
    cine = Cine(disc[None] + 3, spacing_mm, None, "s")
    shown = looked_at(cine, Look(False, 30.0, 1.5)).pixels[0]
    inside = shown > 3.5
    assert inside.sum() / disc.sum() == pytest.approx(1.5**2, rel=0.05)
    radius = np.hypot(row - middle[0], column - middle[1])[inside]
    assert radius.max() == pytest.approx(18, abs=1.5)
    assert shown.min() == 3  # what comes in is as dark as the darkest


def test_deviations_by_hand():
    assert deviation(np.array([10.0, 10.0, 10.0])) == pytest.approx(10 * FLOOR)
    assert deviation(np.array([10.0, 12.0, 11.0])) == pytest.approx(math.hypot(1, 10 * FLOOR))
    # A ventricle that another look does not show is as doubtful as it is large.
    assert deviation(np.array([10.0, math.nan, 10.0])) > 5
    assert math.isnan(deviation(np.array([math.nan, 10.0])))


def discs(spacing_mm):
    row, column = np.indices((48, 48))
    radius = 2 * np.hypot(row - 24, column - 24)
    sizes = (30, 27, 24, 22, 21, 23, 26, 28, 29)
    return Cine(
        np.stack([300.0 * (radius < r) + 300 * (radius < 40) for r in sizes]), spacing_mm, 50.0, "s"
    )


def test_intervals_hold_a_disc_s_areas_and_are_as_wide_as_the_factor(monkeypatch):
    cine, segmenter = discs((2.0, 2.0)), bright_segmenter(2.0)
    findings = measure(cine, segment(segmenter, cine))
    found = area_intervals(segmenter, cine, findings)
    for name, radius_cm in (("ed", 3.0), ("es", 2.1)):
        low, high = (found[f"lv_area_{name}_cm2_{end}"] for end in ("low", "high"))
        assert low < math.pi * radius_cm**2 < high
        area = findings.phenotypes[f"lv_area_{name}_cm2"]
        assert (low + high) / 2 == pytest.approx(area)
        assert 2 * FACTOR * FLOOR * area <= high - low < 0.3 * area
    monkeypatch.setattr(intervals, "FACTOR", 2 * FACTOR)
    wider = area_intervals(segmenter, cine, findings)
    name = "lv_area_ed_cm2"
    assert wider[f"{name}_high"] - wider[f"{name}_low"] == pytest.approx(
        2 * (found[f"{name}_high"] - found[f"{name}_low"])
    )


def test_without_spacing_there_are_none():
    cine = discs((math.nan, math.nan))
    findings = measure(cine, segment(bright_segmenter(8.0), cine))
    assert all(
        math.isnan(x) for x in area_intervals(bright_segmenter(8.0), cine, findings).values()
    )


def test_coverage_by_hand():
    def row(error):
        found, true = {}, {}
        for name in ("lv_area_ed_cm2", "lv_area_es_cm2"):
            found |= {name: 20.0, f"{name}_low": 18.0, f"{name}_high": 22.0}
            true[name] = 20.0 + error
        return found, true

    said = describe_coverage([row(1.0), row(-1.5), row(0.0), row(3.0)])
    # Errors in half intervals: 0.5, 0.75, 0 and 1.5, each twice; their 0.9 quantile is 1.5.
    assert said == (
        f"intervals hold 6 of 8 true areas (75%) with a factor of {FACTOR:.2f}; one of "
        f"{1.5 * FACTOR:.2f} holds 90 %"
    )
    unknown = {"lv_area_ed_cm2": math.nan, "lv_area_es_cm2": math.nan}
    assert describe_coverage([(row(0)[0], unknown)]) == "intervals: no area is known"
