import math

import numpy as np
import pytest

from gancmri_jax.cine.geometry import polygon_area, sides_of_smallest_rectangle
from gancmri_jax.physiology.contour import contour_mm


def soft_disc(radius, centre=(24.0, 22.0), size=(48, 50)):
    """A disc whose edge falls from 1 to 0 over two pixels."""
    row, column = np.indices(size)
    distance = np.hypot(row - centre[0], column - centre[1]) - radius
    return np.clip(0.5 - distance / 2, 0, 1)


@pytest.mark.parametrize("radius", [6.0, 9.3])
def test_a_disc_has_its_area_finer_than_pixels(radius):
    outline = contour_mm(soft_disc(radius), (2.0, 2.0))
    assert polygon_area(outline) == pytest.approx(math.pi * (2 * radius) ** 2, rel=0.006)
    assert np.hypot(*(outline - [48, 44]).T) == pytest.approx(2 * radius, rel=0.01)


def test_rows_and_columns_have_their_own_spacing():
    outline = contour_mm(soft_disc(10.0), (3.0, 1.5))
    assert polygon_area(outline) == pytest.approx(math.pi * 30 * 15, rel=0.004)
    assert sides_of_smallest_rectangle(outline) == pytest.approx((30, 60), rel=0.01)


def test_a_square_of_pixels_by_hand():
    probability = np.zeros((5, 5))
    probability[1:4, 1:4] = 1
    # Halfway to the neighbours: 3 × 3 pixels but for the corners, cut at 45°.
    assert polygon_area(contour_mm(probability, (1.0, 1.0))) == pytest.approx(9 - 4 / 8)


def test_the_largest_piece_counts_and_its_holes_do_not():
    both = np.maximum(soft_disc(8.0, (12, 12)), soft_disc(5.0, (36, 36)))
    pierced = both - soft_disc(3.0, (12, 12))
    for probability in (both, pierced, both[::-1], pierced[::-1]):  # the largest first, and last
        outline = contour_mm(probability, (1.0, 1.0))
        assert polygon_area(outline) == pytest.approx(math.pi * 64, rel=0.004)


def test_a_region_at_the_border_is_closed_there():
    outline = contour_mm(np.ones((4, 6)), (1.0, 1.0))
    assert polygon_area(outline) == pytest.approx(24 - 4 / 8)


def test_nothing_is_none():
    assert contour_mm(np.full((5, 5), 0.4), (1.0, 1.0)) is None
