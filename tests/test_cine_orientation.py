import itertools

import numpy as np
import pytest

from gancmri_jax.cine.orientation import axial_part, to_radiological

LEFT, BACK, UP = np.eye(3)
PIXELS = np.arange(2 * 3 * 4).reshape(2, 3, 4)
SPACING = (1.5, 1.25)


def test_what_is_right_is_not_touched():
    tilted = np.array([0.03, 0.8, 0.6])
    for right, down in ((LEFT, BACK), (LEFT, tilted)):
        pixels, spacing_mm = to_radiological(PIXELS, SPACING, right, down)
        assert pixels is PIXELS and spacing_mm == SPACING


@pytest.mark.parametrize("transpose, up, left", list(itertools.product((False, True), repeat=3)))
def test_each_way_of_storing_comes_out_the_same(transpose, up, left):
    stored, right, down, spacing_mm = PIXELS, LEFT, BACK, SPACING
    if left:
        stored, right = stored[:, :, ::-1], -right
    if up:
        stored, down = stored[:, ::-1], -down
    if transpose:
        stored, right, down = stored.swapaxes(1, 2), down, right
        spacing_mm = spacing_mm[::-1]
    pixels, spacing_mm = to_radiological(stored, spacing_mm, right, down)
    np.testing.assert_array_equal(pixels, PIXELS)
    assert spacing_mm == SPACING and pixels.flags.c_contiguous


@pytest.mark.parametrize(
    "right, down",
    [
        (-LEFT, UP),  # coronal
        (-BACK, UP),  # sagittal
        (np.zeros(3), np.zeros(3)),  # not known
        (np.array([0.70, 0.71, 0]), np.array([-0.71, 0.70, 0])),  # an eighth: both are half right
    ],
)
def test_other_planes_are_left_as_they_are(right, down):
    assert to_radiological(PIXELS, SPACING, right, down)[0] is PIXELS


def test_axial_part():
    assert axial_part(LEFT, BACK) == 1 and axial_part(LEFT, UP) == 0
    assert axial_part(LEFT, (BACK + UP) / 2) == pytest.approx(0.5**0.5)
    assert axial_part(np.zeros(3), np.zeros(3)) == 0
