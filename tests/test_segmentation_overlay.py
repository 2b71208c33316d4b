import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.segmentation.overlay import COLOURS, captioned, contact_sheet, overlay


@pytest.mark.parametrize("size", [64, 256])
def test_outlines_lie_around_each_class(size):
    masks = np.zeros((2, size, size), np.uint8)
    quarter = size // 4
    masks[0, quarter : 2 * quarter, quarter : 3 * quarter] = 1
    masks[1, quarter : 2 * quarter, quarter : 3 * quarter] = 4
    rng = np.random.default_rng(0)
    cine = Cine(rng.integers(0, 99, (2, size, size)), (1.0, 1.0), None, "s")
    drawn = overlay(cine, masks)
    assert drawn.shape == (2, 256, 256, 3) and drawn.dtype == np.uint8
    for frame, label in ((0, 1), (1, 4)):
        row, column = np.nonzero((drawn[frame] == COLOURS[label - 1]).all(axis=-1))
        assert (row.min(), row.max()) == pytest.approx((63.5, 127.5), abs=1)
        assert (column.min(), column.max()) == pytest.approx((63.5, 191.5), abs=1)
        inside = (row > 66) & (row < 125) & (column > 66) & (column < 189)
        assert not inside.any()
    assert contact_sheet(drawn, columns=1).shape == (512, 256, 3)


def test_without_a_mask_frames_stay_grey():
    cine = Cine(np.arange(2 * 9 * 9).reshape(2, 9, 9), (1.0, 1.0), None, "s")
    drawn = overlay(cine, np.zeros((2, 9, 9), np.uint8))
    assert (drawn[..., 0] == drawn[..., 1]).all() and (drawn[..., 1] == drawn[..., 2]).all()


def test_captions_stand_above_the_picture():
    sheet = np.full((40, 300, 3), 9, np.uint8)
    assert captioned(sheet, []) is sheet
    one = captioned(sheet, ["curve: the LV empties twice in a beat"])
    two = captioned(sheet, ["curve: the LV empties twice in a beat", "border"])
    assert one.shape[1:] == two.shape[1:] == (300, 3)
    assert 40 < one.shape[0] < two.shape[0]
    np.testing.assert_array_equal(two[-40:], sheet)
    # The letters do not run out of the picture, however long the line.
    long = captioned(sheet, ["a heart that measures 300 mm; look at the spacing of it"])
    assert (long[:-40, :, 0] > 99).any() and not (long[:-40, -2:, 0] > 99).any()
