import numpy as np
import pytest

from gancmri_jax.personal.measure import (
    grey_levels,
    heart_region,
    neighbours_blend,
    region_psnr,
)


def test_psnr_is_of_the_region_alone():
    a, b = np.zeros((2, 4, 4)), np.zeros((2, 4, 4))
    b[0, :2] = 10.0  # inside
    b[:, 3] = 200.0  # outside
    region = np.zeros((2, 4, 4), bool)
    region[:, :2] = True
    found = region_psnr(a, b, region)
    assert found[0] == pytest.approx(20 * np.log10(255 / 10))
    assert found[1] > 150  # equal there


def test_the_region_is_the_heart_of_all_frames_and_a_little_more():
    masks = np.zeros((2, 8, 8), np.uint8)
    masks[0, 2, 2] = masks[1, 5, 5] = 3
    region = heart_region(masks, masks.shape)
    cross = {(2, 2), (1, 2), (3, 2), (2, 1), (2, 3)}
    assert {tuple(at) for at in np.argwhere(region[1])} == cross | {
        (r + 3, c + 3) for r, c in cross
    }
    np.testing.assert_array_equal(region[0], region[1])
    assert heart_region(None, (2, 3, 3)).all()
    assert heart_region(np.zeros((2, 3, 3), np.uint8), (2, 3, 3)).all()


def test_a_blend_is_of_the_neighbours_round_the_beat():
    frames = np.array([0, 10, 40, 250], np.uint8)[:, None, None]
    assert neighbours_blend(frames).ravel().tolist() == [130, 20, 130, 20]


def test_grey_levels_are_clipped_and_not_rounded():
    images = np.array([-2.0, -1.0, 0.001, 1.5], np.float32)[:, None, None, None]
    np.testing.assert_allclose(grey_levels(images).ravel(), [0, 0, 127.6275, 255], rtol=1e-6)
