import math

import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.phantom import phantom
from gancmri_jax.errors import InputError
from gancmri_jax.model.file import load_model
from gancmri_jax.physiology.beat import LA, measure_beat, mitral_descent_mm, thickness_mm
from gancmri_jax.segmentation.segment import LV, MYOCARDIUM
from tests.tiny_segmenter import bright_segmenter


@pytest.mark.parametrize("pixels", [4, 5, 9])
def test_a_band_is_as_thick_as_it_is(pixels):
    mask = np.zeros((80, 80), np.uint8)
    mask[20 : 20 + pixels] = MYOCARDIUM
    assert thickness_mm(mask, (2.0, 2.0)) == pytest.approx(2 * pixels, rel=0.06)
    assert math.isnan(thickness_mm(np.zeros_like(mask), (2.0, 2.0)))


def test_the_mitral_plane_descends_by_hand():
    ed, es = np.zeros((2, 40, 40), np.uint8)
    ed[5:25, 10:20] = LV  # the apex above, the atrium below
    ed[25:35, 10:20] = LA
    es[5:21, 10:20] = LV
    es[21:35, 10:20] = LA
    assert mitral_descent_mm(ed, es, (2.0, 1.0)) == pytest.approx(4 * 2.0)
    assert mitral_descent_mm(es, ed, (2.0, 1.0)) == pytest.approx(-4 * 2.0)
    assert math.isnan(mitral_descent_mm(ed, np.zeros_like(es), (2.0, 1.0)))


def disc(radius):
    rows, columns = np.mgrid[:64, :64] - 31.5
    return np.uint8(255 * np.clip(radius - np.hypot(rows, columns) + 0.75, 0, 1))


def test_a_disc_that_shrinks_and_grows():
    radii = [20, 18, 15, 16, 19]
    cine = Cine(np.stack([disc(r) for r in radii]), (2.0, 2.0), 20.0, "disc")
    beat, areas = measure_beat(bright_segmenter(1.0), cine)
    np.testing.assert_allclose(areas, [np.pi * (2 * r) ** 2 / 100 for r in radii], rtol=0.04)
    assert beat.lv_fac_percent == pytest.approx(100 * (1 - (15 / 20) ** 2), abs=2)
    assert beat.es_percent == 40
    assert math.isnan(beat.la_filling_percent) and math.isnan(beat.mitral_descent_mm)


def test_no_ventricle_is_no_number():
    pixels = np.stack([disc(20), disc(10)])
    pixels[0] = 0
    beat, areas = measure_beat(bright_segmenter(2.0), Cine(pixels, (2.0, 2.0), 20.0, "late"))
    assert math.isnan(beat.lv_fac_percent) and np.isnan(areas[0]) and areas[1] > 0


def test_a_phantom_beats_as_it_was_made():
    heart = phantom(5, 0, 64, 20)
    beat, _ = measure_beat(load_model("demo").segmenter, heart.cine)
    assert beat.lv_fac_percent == pytest.approx(heart.phenotypes["lv_fac_percent"], abs=6)
    assert beat.es_percent == pytest.approx(5 * heart.phenotypes["es_frame"], abs=10)
    assert beat.wall_thickening_percent > 0 and beat.mitral_descent_mm > 4
    assert beat.la_filling_percent > 5 and beat.ra_filling_percent > 5


def test_millimetres_are_needed():
    cine = Cine(np.stack([disc(20)] * 2), (math.nan, math.nan), None, "flat")
    with pytest.raises(InputError, match="flat: needs the distance between pixels"):
        measure_beat(bright_segmenter(), cine)
