import dataclasses
import math

import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.physiology.phenotypes import describe, measure
from gancmri_jax.segmentation.segment import Segmentation

AREAS = (12.0, 9.0, 8.0, 10.0)  # half the long axis in pixels, frame by frame


def soft_ellipse(long, short, degrees, size=64):
    row, column = np.indices((size, size)) - (size - 1) / 2
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    along, across = c * row + s * column, c * column - s * row
    distance = (np.hypot(along / long, across / short) - 1) * short
    return np.clip(0.5 - distance / 2, 0, 1)


def beat(degrees=0.0, grid_mm=(2.0, 2.0)):
    probability = np.stack([soft_ellipse(2 * a, a, degrees) for a in AREAS])
    return Segmentation((probability > 0.5).astype(np.uint8), probability, grid_mm)


def cine(spacing_mm=(2.0, 2.0), **fields):
    pixels = np.zeros((len(AREAS), 64, 64), np.uint8)
    return Cine(pixels, spacing_mm, fields.pop("frame_ms", 200.0), "s", **fields)


@pytest.mark.parametrize("degrees", [0.0, 31.0, 90.0])
def test_ellipses_by_hand_however_they_lie(degrees):
    values, areas_cm2, source, *_ = measure(cine(), beat(degrees))
    # π · 2a · a pixels of 2 mm × 2 mm.
    expected = [math.pi * 2 * a * a * 4 / 100 for a in AREAS]
    assert areas_cm2 == pytest.approx(expected, rel=0.01)
    assert values["lv_area_ed_cm2"] == areas_cm2[0]
    assert values["lv_area_es_cm2"] == areas_cm2[2]
    assert (values["ed_frame"], values["es_frame"], source) == (0, 2, "segmenter")
    assert values["sphericity_index"] == pytest.approx(0.5, abs=0.005)
    assert values["lv_fac_percent"] == pytest.approx(100 * (1 - 64 / 144), abs=0.5)
    assert values["heart_rate_bpm"] == pytest.approx(60_000 / 800)
    assert math.isnan(values["ef_percent"])


def test_millimetres_make_the_sphericity():
    # Along the rows 2a pixels of 1 mm, across them a pixels of 2 mm: a circle.
    values, *_ = measure(cine((1.0, 2.0)), beat(grid_mm=(1.0, 2.0)))
    assert values["sphericity_index"] == pytest.approx(1, abs=0.01)


def test_a_cine_that_knows_its_es_frame_keeps_it():
    values, _, source, *_ = measure(cine(es_frame=3, ed_frame=1), beat())
    assert (values["ed_frame"], values["es_frame"], source) == (1, 3, "cine")
    assert values["lv_fac_percent"] == pytest.approx(100 * (1 - 100 / 81), abs=0.5)


def round_beat(radii):
    probability = np.stack([soft_ellipse(radius, radius, 0) for radius in radii])
    found = Segmentation((probability > 0.5).astype(np.uint8), probability, (2.0, 2.0))
    return Cine(np.zeros((len(radii), 64, 64), np.uint8), (2.0, 2.0), None, "s"), found


def test_ed_and_es_are_those_of_the_smoothed_curve():
    at = np.arange(20) / 20
    radii = 20 - 2.5 * (1 - np.cos(2 * np.pi * (at - 0.02)))
    jagged = radii.copy()
    jagged[[5, 13]] -= 2  # two frames that are smaller than their neighbours by a fifth
    shown, found = round_beat(jagged)
    values, areas_cm2, _, ed_source, smooth_cm2, *_ = measure(shown, found)
    assert values["es_phase_frames"] == pytest.approx(20 * 0.52, abs=1)
    assert values["es_frame"] == round(values["es_phase_frames"]) and ed_source == "cine"
    assert values["lv_area_es_cm2"] == smooth_cm2[int(values["es_frame"])]
    assert abs(np.diff(smooth_cm2, 2)).max() < abs(np.diff(areas_cm2, 2)).max()


def test_a_beat_that_starts_in_systole_has_its_ed_later():
    radii = 20 - 2.5 * (1 - np.cos(2 * np.pi * (np.arange(20) + 7) / 20))
    shown, found = round_beat(radii)
    again = measure(shown, found)
    assert (again.phenotypes["ed_frame"], again.ed_source) == (13, "segmenter")
    assert again.phenotypes["es_phase_frames"] == pytest.approx(3, abs=0.1)
    assert again.phenotypes["lv_area_ed_cm2"] == pytest.approx(math.pi * 20**2 * 4 / 100, rel=0.01)
    # The input may know better.
    known = dataclasses.replace(shown, ed_frame=1)
    assert measure(known, found).phenotypes["ed_frame"] == 1


def test_papillary_muscles_change_the_area():
    added = measure(cine(), beat()._replace(papillary_pixels=np.array([25.0, 0, -25, 0])))
    before = measure(cine(), beat()).areas_cm2
    assert added.areas_cm2 - before == pytest.approx([1, 0, -1, 0])  # 25 pixels of 4 mm²


def test_without_spacing_areas_are_not_invented():
    nan = (math.nan, math.nan)
    found = measure(cine(nan, frame_ms=None), beat(grid_mm=nan))
    for name in ("lv_area_ed_cm2", "lv_area_es_cm2", "sphericity_index", "heart_rate_bpm"):
        assert math.isnan(found.phenotypes[name]), name
    assert found.phenotypes["es_frame"] == 2
    assert found.phenotypes["lv_fac_percent"] == pytest.approx(100 * (1 - 64 / 144), abs=0.5)
    assert describe(found) == "ES frame 2, FAC 56 %"


def test_a_frame_without_a_ventricle_is_no_end_systole():
    whole = beat()
    probability = whole.lv_probability * np.array([1, 0, 1, 1])[:, None, None]
    found = measure(cine(), whole._replace(lv_probability=probability))
    assert found.phenotypes["es_frame"] == 2 and found.areas_cm2[1] == 0
    assert "no left ventricle found in 1 frames" in describe(found)
    at_ed = measure(cine(ed_frame=1), whole._replace(lv_probability=probability)).phenotypes
    for name in ("lv_area_ed_cm2", "sphericity_index", "lv_fac_percent"):
        assert math.isnan(at_ed[name]), name


def test_nothing_found_is_nothing_known():
    whole = beat()
    found = measure(cine(), whole._replace(lv_probability=0 * whole.lv_probability))
    assert math.isnan(found.phenotypes["es_frame"])
    assert describe(found) == "no left ventricle found"
    kept = measure(dataclasses.replace(cine(), es_frame=1), whole).phenotypes
    assert kept["es_frame"] == 1
