import math

import numpy as np
import pytest
from scipy.spatial.distance import directed_hausdorff

from gancmri_jax.cine.masks import Masks
from gancmri_jax.physiology.agreement import (
    FrameAgreement,
    Overlap,
    compare_frames,
    describe_overlaps,
    describe_poor,
    mean_overlaps,
    overlap,
    true_phenotypes,
    write_scores,
)
from gancmri_jax.tables import read_table


def square(top, left, side, size=20):
    region = np.zeros((size, size), bool)
    region[top : top + side, left : left + side] = True
    return region


def test_an_overlap_by_hand():
    same = overlap(square(2, 2, 5), square(2, 2, 5), (1.5, 1.0))
    assert same == Overlap(1.0, 0.0, 0.0)
    # Moved by three columns of 1 mm, and by two rows of 1.5 mm.
    assert overlap(square(2, 2, 4), square(2, 5, 4), (1.5, 1.0)).hausdorff_mm == 3
    moved = overlap(square(2, 2, 4), square(4, 2, 4), (1.5, 1.0))
    assert moved.dice == 0.5 and moved.hausdorff_mm == 3
    # One square inside another, by 2 pixels: the corners are the farthest.
    inside = overlap(square(2, 2, 9), square(4, 4, 5), (1.0, 1.0))
    assert inside.hausdorff_mm == pytest.approx(8**0.5)
    speck = square(2, 2, 12)  # 44 pixels at its edge
    speck[5, 17] = True
    assert overlap(speck, square(2, 2, 12), (1.0, 1.0))[1:] == (4, 0)


def test_distances_agree_with_scipy_s():
    rng = np.random.default_rng(0)
    a, b = (rng.random((2, 12, 15)) < 0.2).astype(bool)
    spacing = (1.3, 0.7)
    # Single pixels are their own edges: there are few others at this density.
    points = [np.argwhere(region & ~_inner(region)) * spacing for region in (a, b)]
    expected = max(directed_hausdorff(*points)[0], directed_hausdorff(*points[::-1])[0])
    assert overlap(a, b, spacing).hausdorff_mm == pytest.approx(expected)


def _inner(region):
    padded = np.pad(region, 1)
    middle = padded[1:-1, 1:-1]
    return middle & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]


def test_a_missing_chamber_has_dice_0_and_no_distance():
    nothing = square(0, 0, 0)
    for pair in ((square(2, 2, 4), nothing), (nothing, square(2, 2, 4))):
        value = overlap(*pair, (1.0, 1.0))
        assert (
            value.dice == 0 and math.isnan(value.hausdorff_mm) and math.isnan(value.hausdorff95_mm)
        )
    assert overlap(nothing, nothing, (1.0, 1.0)).dice == 1
    assert math.isnan(overlap(square(2, 2, 4), square(2, 2, 4), (math.nan,) * 2).hausdorff_mm)


@pytest.fixture
def beat():
    """Four frames, of which two were drawn; the segmentation is off by a column at ES."""
    drawn = np.stack([square(4, 4, 10), square(4, 4, 5)]).astype(np.uint8)
    drawn[:, 15:18, 4:9] = 3
    masks = np.zeros((4, 20, 20), np.uint8)
    masks[0], masks[3] = drawn[0], np.roll(drawn[1], 1, axis=1) * (np.roll(drawn[1], 1, 1) == 1)
    return masks, Masks((0, 3), drawn, (1, 3), 0, 3)


def test_frames_that_were_drawn_are_compared(beat):
    ed, es = compare_frames(*beat, (2.0, 2.0))
    assert (ed.frame, ed.phase, es.frame, es.phase) == (0, "ED", 3, "ES")
    assert ed.overlaps == {1: Overlap(1, 0, 0), 3: Overlap(1, 0, 0)}
    assert es.overlaps[1].dice == 0.8 and es.overlaps[1].hausdorff_mm == 2
    assert es.overlaps[3].dice == 0  # the RV is missing there
    assert (ed.lv_cm2, es.true_lv_cm2) == (4.0, 1.0)
    assert true_phenotypes(beat[1], (2.0, 2.0)) == pytest.approx(
        {
            "lv_area_ed_cm2": 4.0,
            "lv_area_es_cm2": 1.0,
            "lv_fac_percent": 75.0,
            "sphericity_index": math.nan,
        },
        nan_ok=True,
    )
    atria = beat[1]._replace(structures=(4, 5), ed_frame=None, es_frame=None)
    assert all(map(math.isnan, true_phenotypes(atria, (2.0, 2.0)).values()))


def test_a_table_has_a_row_a_frame_and_empty_cells(beat, tmp_path):
    frames = {"=a": compare_frames(*beat, (2.0, 2.0))}
    write_scores(tmp_path / "scores.csv", frames, {"=a": "curve;scale"})
    ed, es = read_table(tmp_path / "scores.csv", needs=("ra_hausdorff95_mm",))
    assert (es.cells["subject"], es.cells["frame"], es.cells["flags"]) == ("=a", "3", "curve;scale")
    assert (es.cells["lv_dice"], es.cells["lv_hausdorff_mm"]) == ("0.8", "2")
    assert (es.cells["rv_dice"], es.cells["rv_hausdorff_mm"]) == ("0", "")
    assert es.cells["la_dice"] == es.cells["myocardium_hausdorff_mm"] == ""
    assert (ed.cells["lv_area_cm2"], ed.cells["lv_area_true_cm2"]) == ("4", "4")


def test_structures_are_described_over_cines(beat):
    one = mean_overlaps(compare_frames(*beat, (2.0, 2.0)))
    assert one[1].dice == pytest.approx(0.9) and one[1].hausdorff_mm == 1
    assert one[3].dice == 0.5 and one[3].hausdorff_mm == 0  # of the frame that has it
    worse = {1: Overlap(0.7, 3.0, 2.0)}
    lines = describe_overlaps([one, worse])
    assert lines[0].startswith("LV: Dice mean 0.800, median 0.800; Hausdorff 2.0 mm, 95th")
    assert lines[0].endswith("(2 cines)") and lines[1].endswith("(1 cine)")
    assert lines[1].startswith("RV: Dice mean 0.500")
    assert "worst tenth 0.700" in describe_overlaps([worse] * 10)[0]


def test_poor_frames_are_looked_for_in_flagged_cines():
    def frames(*dices):
        return [
            FrameAgreement(k, "", {1: Overlap(value, 1.0, 1.0)}, 1.0, 1.0)
            for k, value in enumerate(dices)
        ]

    cines = {"a": frames(0.9, 0.7), "b": frames(0.5, 0.1, 0.8)}
    assert describe_poor(cines, {"a": "", "b": "curve"}) == (
        "LV Dice below 0.8 in 3 of 5 frames, flagged cines included; 2 of the 3 (67 %) lie in "
        "flagged cines"
    ).replace("67 %", "67%")
    assert describe_poor({"a": frames(0.9)}, {"a": ""}).endswith(
        "0 of 1 frames, flagged cines included"
    )
    assert (
        describe_poor({"a": [FrameAgreement(0, "", {4: Overlap(0, 1, 1)}, 1, 1)]}, {"a": ""})
        is None
    )
