import numpy as np
import pytest

from gancmri_jax.segmentation.scale import HEART_MM, estimate_spacing_mm
from gancmri_jax.segmentation.whole import heart_size, in_one_place, main_piece, place_papillary
from tests.made_up_heart import SPACING_MM, heart


def test_the_main_piece_is_the_largest_in_space_and_time():
    region = np.zeros((4, 6, 12), bool)
    region[:, 1:3, 1:4] = True  # six pixels in each frame
    region[2, 1:4, 6:12] = True  # eighteen in one frame, and apart
    expected = region.copy()
    expected[2, :, 6:] = False
    np.testing.assert_array_equal(main_piece(region), expected)


def test_the_last_frame_is_beside_the_first():
    region = np.zeros((6, 3, 9), bool)
    region[[0, 1, 4, 5], 0, 0] = True  # gone in the middle of the beat: 4 pixels
    region[1:4, 2, 8] = True  # 3 pixels elsewhere
    kept = main_piece(region)
    assert kept[[0, 1, 4, 5], 0, 0].all() and not kept[1, 2, 8]
    # Frames without the main piece keep what they have.
    assert kept[2, 2, 8] and kept[3, 2, 8]


def test_chambers_stay_where_they_are_and_the_wall_may_be_in_pieces():
    masks = np.zeros((3, 8, 8), np.uint8)
    masks[:, 0:3, 0:3] = 5
    masks[1, 5:8, 4:8] = 5
    masks[:, 7, ::2][masks[:, 7, ::2] == 0] = 2
    cleaned = in_one_place(masks)
    assert not (cleaned[1, 5:8, 4:8] == 5).any() and (cleaned[:, :3, :3] == 5).all()
    np.testing.assert_array_equal(cleaned == 2, masks == 2)


def test_sizes():
    mask = np.zeros((9, 9), np.uint8)
    mask[:4, :4] = 3
    assert heart_size(mask) == 4
    assert estimate_spacing_mm(mask) is None
    assert estimate_spacing_mm(heart()) == pytest.approx(HEART_MM / heart_size(heart()))
    assert estimate_spacing_mm(heart()) == pytest.approx(SPACING_MM[0], rel=0.2)
    # The same heart on pixels half as large.
    finer = heart().repeat(2, 0).repeat(2, 1)
    assert estimate_spacing_mm(finer) == pytest.approx(estimate_spacing_mm(heart()) / 2)


def muscled():
    """Return a heart's mask with a notch of wall in its LV, and the frame that shows it dark.

    The frame also has a dark island, which the mask takes for pool, and dark inflow at the LA.
    """
    mask = heart()
    whole = mask == 1
    frame = np.where(np.isin(mask, (1, 3, 4, 5)), 0.9, 0.3)
    notch = np.zeros_like(whole)
    notch[45:49, 84:92] = whole[45:49, 84:92]
    mask[notch] = 2
    frame[notch] = 0.3
    island = np.zeros_like(whole)
    island[30:37, 74:81] = True
    inflow = np.zeros_like(whole)
    inflow[62:74, 76:81] = whole[62:74, 76:81]
    frame[island | inflow] = 0.3
    return mask, frame, whole, notch, island, inflow


def test_papillary_muscles_belong_to_the_pool():
    mask, frame, whole, notch, island, _ = muscled()
    pool = place_papillary(mask, frame, "pool")
    assert (pool[notch] == 1).mean() > 0.7 and (pool[island] == 1).all()
    # It goes no farther than the pool did, and takes nothing of another chamber.
    assert (pool == 1).sum() <= 1.02 * whole.sum()
    for label in (3, 4, 5):
        np.testing.assert_array_equal(pool == label, mask == label)


def test_or_to_the_wall():
    mask, frame, whole, notch, island, inflow = muscled()
    wall = place_papillary(mask, frame, "wall")
    assert (wall[notch] == 2).all() and (wall[island] == 2).all()
    # Inflow is dark too, and no muscle.
    assert (wall[inflow] == 1).all()
    np.testing.assert_array_equal(wall == 1, whole & ~notch & ~island)


def test_a_smooth_pool_stays_as_it_is():
    mask = heart()
    closed = place_papillary(mask, np.zeros(mask.shape), "pool")
    assert (closed != mask).mean() < 0.002
    # Blood as dark as the wall shows no muscles.
    np.testing.assert_array_equal(place_papillary(mask, np.zeros(mask.shape), "wall"), mask)
    empty = np.where(mask == 1, 0, mask).astype(np.uint8)
    np.testing.assert_array_equal(place_papillary(empty, np.zeros(mask.shape), "pool"), empty)
