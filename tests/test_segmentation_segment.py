import dataclasses
import math

import jax
import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.errors import InputError
from gancmri_jax.physiology.contour import contour_mm
from gancmri_jax.physiology.phenotypes import measure
from gancmri_jax.segmentation.augmentation import HEART_SHARE
from gancmri_jax.segmentation.segment import (
    LONGER_SIDE_MM,
    find_heart,
    largest_pieces,
    segment,
    window,
)
from tests.tiny_segmenter import bright_segmenter


def discs(frames=9, size=(50, 70), spacing_mm=(2.0, 1.5)):
    """A bright disc of 24 mm in a grey one of 34 mm, moving down by a row a frame."""
    row, column = np.indices(size)
    pixels = []
    for frame in range(frames):
        radius = np.hypot((row - 18 - frame) * spacing_mm[0], (column - 30) * spacing_mm[1])
        pixels.append(1000.0 * (radius < 24) + 500.0 * ((radius >= 24) & (radius < 34)))
    return Cine(np.stack(pixels), spacing_mm, 30.0, "s")


@pytest.fixture(scope="module")
def cine():
    return discs()


@pytest.fixture(scope="module")
def found(cine):
    return segment(bright_segmenter(), cine)


def test_masks_are_the_cine_s_own_pixels(cine, found):
    assert found.masks.shape == cine.pixels.shape and found.masks.dtype == np.uint8
    lv = cine.pixels == 1000
    assert 2 * (lv & (found.masks == 1)).sum() / (lv.sum() + (found.masks == 1).sum()) > 0.97
    # More than a batch of frames, and each in its place.
    rows = [np.argwhere(mask == 1)[:, 0].mean() for mask in found.masks]
    assert rows == pytest.approx([18 + frame for frame in range(9)], abs=0.1)


def test_areas_are_those_of_the_grid_s_millimetres(cine, found):
    assert found.lv_probability.shape == (9, 100, 105) and found.grid_mm == (1.0, 1.0)
    assert measure(cine, found).areas_cm2 == pytest.approx(np.pi * 2.4**2, rel=0.03)


def test_a_grid_that_does_not_divide_keeps_the_field_of_view(cine):
    grid = segment(bright_segmenter(pixel_mm=1.3), cine)
    _, height, width = grid.lv_probability.shape
    assert (height, width) == (77, 81)
    assert grid.grid_mm == pytest.approx((100 / 77, 105 / 81))
    assert measure(cine, grid).areas_cm2 == pytest.approx(np.pi * 2.4**2, rel=0.04)


def test_it_is_told_how_many_frames_are_done(cine):
    told = []
    segment(bright_segmenter(), cine, told.append)
    assert told == [8, 1]


def test_a_network_that_has_x_first_sees_the_transposed_frame(cine, found):
    again = segment(bright_segmenter(x_first=True), cine)
    np.testing.assert_allclose(again.lv_probability, found.lv_probability, atol=1e-6)
    np.testing.assert_array_equal(again.masks, found.masks)


def test_intensities_do_not_matter(cine, found):
    brighter = Cine((3 * cine.pixels + 100).astype(np.int16), cine.spacing_mm, None, "s")
    np.testing.assert_array_equal(segment(bright_segmenter(), brighter).masks, found.masks)


def test_an_unknown_spacing_stays_unknown(cine):
    unknown = Cine(cine.pixels, (math.nan, math.nan), None, "s")
    found = segment(bright_segmenter(pixel_mm=4.0), unknown)
    assert all(math.isnan(mm) for mm in found.grid_mm)
    assert found.lv_probability.shape == (9, 50, 70) == (9, 50, round(LONGER_SIDE_MM / 4))
    assert contour_mm(found.lv_probability[0], (1.0, 1.0)) is not None


@pytest.mark.parametrize("spacing_mm", [(2.0, 1.5), (20.0, 15.0), (math.nan, math.nan)])
def test_a_view_by_the_heart_needs_no_spacing(cine, found, spacing_mm):
    """Discs in a corner of a frame whose stated spacing may be wrong or missing."""
    shape = (2 * 50, 2 * 70)
    pixels = np.zeros((len(cine.pixels), *shape))
    pixels[:, 40:90, 60:130] = cine.pixels
    if math.isnan(spacing_mm[0]):  # square pixels are taken for granted
        pixels = pixels.repeat(4, axis=1).repeat(3, axis=2)
    segmenter = dataclasses.replace(bright_segmenter(), side=96)
    again = segment(segmenter, Cine(pixels, spacing_mm, None, "s"))
    assert again.lv_probability.shape == (9, 96, 96)
    masks = again.masks if again.masks.shape[1:] == shape else again.masks[:, 2::4, 1::3]
    for before, after in zip(found.masks == 1, masks[:, 40:90, 60:130] == 1, strict=True):
        assert 2 * (before & after).sum() / (before.sum() + after.sum()) > 0.96
    assert masks.sum() == masks[:, 40:90, 60:130].sum()


def test_the_window_has_the_heart_at_its_share(cine):
    segmenter = dataclasses.replace(bright_segmenter(), side=96)
    view = find_heart(segmenter, cine)
    # The grey disc is 68 mm wide, and moves down by 8 rows of 2 mm: 84 mm.
    assert view.pixel[1] * 96 * 1.5 == pytest.approx(84 / HEART_SHARE, rel=0.06)
    assert view.pixel[0] * 2.0 == pytest.approx(view.pixel[1] * 1.5)
    middle = [corner + 48 * pixel for corner, pixel in zip(view.corner, view.pixel, strict=True)]
    assert middle == pytest.approx([18.5 + 4, 30.5], abs=1)


def test_a_cine_without_a_heart_is_seen_whole(cine):
    dark = Cine(np.where(cine.pixels == 1000, 1000, 0) * 0 + np.eye(50, 70), (2.0, 1.5), None, "s")
    segmenter = dataclasses.replace(bright_segmenter(), side=96)
    assert find_heart(segmenter, dark).grid == (96, 96)


def test_phases_of_the_beat_are_shown_in_turn(cine, monkeypatch):
    seen = []

    class Looking(type(bright_segmenter().network)):
        def apply(self, variables, images):
            jax.debug.callback(lambda x: seen.append(np.asarray(x)), images[:, 8, 8, :])
            return super().apply(variables, images)

    ramp = np.zeros((6, 16, 16)) + np.arange(6.0)[:, None, None]
    segmenter = dataclasses.replace(bright_segmenter(), network=Looking(phases=3), side=16)
    segment(segmenter, Cine(ramp, (1.0, 1.0), None, "s"))
    jax.effects_barrier()
    assert np.round(5 * seen[-1][:6]).astype(int).tolist() == [
        [0, 2, 4],
        [1, 3, 5],
        [2, 4, 0],
        [3, 5, 1],
        [4, 0, 2],
        [5, 1, 3],
    ]


def test_what_cannot_be_segmented_is_told():
    with pytest.raises(InputError, match="s: frames of 2000 by 2000 mm are larger"):
        segment(bright_segmenter(), Cine(np.eye(200)[None], (10.0, 10.0), None, "s"))
    with pytest.raises(InputError, match="s: has no contrast"):
        segment(bright_segmenter(), Cine(np.ones((2, 9, 9)), (1.0, 1.0), None, "s"))


def test_the_window_is_that_of_the_whole_sequence():
    ramp = np.arange(101.0).reshape(1, 1, 101)
    frames = window(Cine(np.concatenate([ramp, ramp]), (1.0, 1.0), None, "s"))
    assert frames.dtype == np.float32
    np.testing.assert_allclose(frames[0, 0, [0, 1, 50, 99, 100]], [0, 0, 0.5, 1, 1], atol=1e-6)


def test_pieces_by_hand():
    mask = np.array(
        [
            [1, 1, 1, 0, 4],
            [1, 0, 1, 0, 0],
            [1, 1, 1, 0, 3],
            [0, 0, 0, 0, 3],
            [1, 4, 4, 0, 0],
        ],
        np.uint8,
    )
    expected = mask.copy()
    expected[1, 1] = 1  # a hole in the left ventricle is filled
    expected[4, 0] = 0  # the smaller pieces go
    expected[0, 4] = 0
    np.testing.assert_array_equal(largest_pieces(mask), expected)
    broken = np.array([[2] * 10 + [0, 2, 2, 0, 2]], np.uint8)
    expected = np.array([[2] * 10 + [0, 2, 2, 0, 0]], np.uint8)
    np.testing.assert_array_equal(largest_pieces(broken), expected)
    assert not largest_pieces(np.zeros((3, 3), np.uint8)).any()
