import math

import numpy as np
import pytest

from gancmri_jax.segmentation.quality import (
    RULES,
    _dents,
    broken_rules,
    curve_quality,
    judge,
    place_quality,
)
from gancmri_jax.segmentation.segment import Segmentation
from tests.made_up_heart import SPACING_MM, beat, heart, lv_scale

NAN = (math.nan, math.nan)


def segmentation(masks, sure=0.97):
    probability = (masks == 1).astype(np.float32)
    return Segmentation(masks, probability, SPACING_MM, None, masks, np.full(len(masks), sure))


def flags(masks, spacing_mm=SPACING_MM, sure=0.97):
    judged = judge(segmentation(masks, sure), spacing_mm, 0)
    return {flag.name: flag.reason for flag in judged.flags}


def relabelled(masks, new):
    """Return masks in which classes have other names."""
    return np.array([new.get(label, label) for label in range(6)], np.uint8)[masks]


def painted(masks, label, place, frames=slice(None)):
    masks = masks.copy()
    masks[(frames, *place)] = label
    return masks


def without(masks, label, frames=slice(None)):
    masks = masks.copy()
    masks[frames][masks[frames] == label] = 0
    return masks


@pytest.mark.parametrize("spacing_mm", [SPACING_MM, NAN], ids=["known", "unknown"])
def test_a_sound_heart_has_no_flags_and_all_numbers(spacing_mm):
    judged = judge(segmentation(beat()), spacing_mm, 0)
    assert judged.flags == ()
    missing = {"heart_mm"} if math.isnan(spacing_mm[0]) else set()
    assert set(judged.measured) == set(RULES) - missing
    assert judged.measured["es_percent"] == 40


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_turned_or_mirrored_heart_is_as_sound(turn):
    assert not flags(np.rot90(beat(), turn, axes=(1, 2)))
    assert not flags(beat()[:, :, ::-1])


@pytest.mark.parametrize(
    ("least", "es", "sound"), [(0.95, 0.3, True), (0.5, 0.55, True), (0.98, 0.4, False)]
)
def test_weak_strong_early_and_late_hearts_are_sound_and_still_ones_not(least, es, sound):
    found = flags(beat(lv_scale(30, least, es)))
    assert (not found) if sound else set(found) == {"curve"}


BEAT = beat()
ONES = lv_scale()
TWICE = 1 - 0.25 * np.abs(np.sin(2 * np.pi * np.arange(20) / 20))
TWICE[11:] += 0.02


@pytest.mark.parametrize(
    ("masks", "flag", "reason"),
    [
        (without(BEAT, 5, slice(3, 7)), "missing", "missing in 20 % of frames"),
        (beat(np.ones(20)), "curve", "changes by 0 % in a beat"),
        (beat(lv_scale(es=0.8)), "curve", "smallest at 80 % of the beat"),
        (beat(TWICE), "curve", "empties twice"),
        (beat(np.where(np.arange(20) == 15, 0.8, ONES)), "curve", "empties twice"),
        (beat(np.where(np.arange(20) < 7, 1, lv_scale(least=0.5))), "curve", "jumps by"),
        (relabelled(BEAT, {4: 5, 5: 4}), "neighbours", "do not lie across from each other in 100"),
        (relabelled(BEAT, {3: 4, 4: 3}), "neighbours", "LV and LA do not touch in 100 %"),
        (
            painted(BEAT, 0, (slice(74, 84), slice(64, 128))),
            "neighbours",
            "LV and LA do not touch in 100 %",
        ),
        (
            painted(BEAT, 0, (slice(60, 85), slice(0, 60))),
            "neighbours",
            "RV and RA do not touch in 100 %",
        ),
        (
            np.where((BEAT == 2) & (np.arange(128) < 76), 0, BEAT).astype(np.uint8),
            "neighbours",
            "no septum lies between LV and RV",
        ),
        (
            painted(BEAT, 1, (slice(60, 70), slice(18, 31))),
            "pieces",
            "% of the LV lie apart from it",
        ),
        (
            painted(BEAT, 3, (slice(88, 112), slice(88, 112))),
            "pieces",
            "% of the RV lie apart from it",
        ),
        (
            painted(np.pad(BEAT, ((0, 0), (0, 0), (0, 60))), 2, (slice(0, 50), slice(130, 180))),
            "pieces",
            "chambers elsewhere have 62 %",
        ),
        (BEAT[:, 25:], "border", "the LV is cut off in 60 % of frames"),
    ],
)
def test_each_flag_has_a_mask_that_raises_it(masks, flag, reason):
    found = flags(masks)
    assert flag in found, found
    assert reason in found[flag]


def test_chambers_that_swap_their_names_at_es_are_flagged():
    masks = BEAT.copy()
    masks[7:10] = relabelled(masks[7:10], {1: 4, 4: 1})
    assert "neighbours" in flags(masks)


def test_a_chamber_that_hops_is_flagged():
    # In one frame of twenty the RA lies where the LV's apex should point, but touches the RV.
    masks = without(BEAT, 5, [10])
    masks[10, 2:30, 20:48][masks[10, 2:30, 20:48] == 0] = 5
    found = flags(masks)
    assert "the RA moves by" in found["neighbours"]


def test_size_is_judged_where_the_spacing_is_known():
    assert "the heart measures" in flags(BEAT, (3.2, 3.2))["scale"]
    assert set(flags(BEAT, (0.8, 0.8))) == {"scale"}
    assert not flags(BEAT, NAN)


def test_an_arm_that_is_taken_for_a_chamber_is_not_measured_with_the_heart():
    wide = np.pad(BEAT, ((0, 0), (0, 0), (0, 60)))
    arm = painted(wide, 1, (slice(0, 30), slice(140, 170)), slice(0, 9))
    assert not flags(arm)
    alone, with_arm = (judge(segmentation(m), SPACING_MM, 0).measured for m in (wide, arm))
    assert with_arm | {"elsewhere_percent": 0} == pytest.approx(alone | {"elsewhere_percent": 0})


def test_a_heart_alone_has_nothing_elsewhere_whatever_its_area():
    """Areas that are no square number must not round to less than nothing, which is a flag."""
    masks = np.repeat(heart(1.0)[None], 16, axis=0)
    for frame, mask in enumerate(masks):
        mask[tuple(np.argwhere(mask == 5)[:frame].T)] = 0
    for mask in masks:
        judged = judge(segmentation(mask[None]), SPACING_MM, 0)
        assert judged.measured["elsewhere_percent"] == 0


def test_an_unsure_network_is_flagged():
    assert set(flags(BEAT, sure=0.6)) == {"unsure"}


def test_nothing_at_all_is_missing():
    assert set(flags(np.zeros((9, 64, 64), np.uint8))) == {"missing"}


def test_a_single_frame_is_judged_without_a_beat():
    assert not flags(heart()[None])
    assert set(flags(relabelled(heart()[None], {4: 5, 5: 4}))) == {"neighbours"}


def test_dents_by_hand():
    # A closed curve: 0 is the deepest; 4 runs over at 7 towards 0, and 2 at 9 towards 4's basin.
    curve = np.array([0.0, 7.0, 4.0, 9.0, 2.0, 10.0])
    # 4 merges at 7 into 0 (depth 3), 2 at 9 (depth 7), and 0 is as deep as the range.
    assert _dents(curve) == [10.0, 7.0, 3.0]
    assert _dents(np.array([3.0, 1.0, 2.0])) == [2.0]
    assert _dents(np.ones(4)) == [0.0]


def test_speed_does_not_depend_on_the_number_of_frames():
    def fastest(frames):
        return curve_quality(lv_scale(frames) ** 2, 0)["fastest"]

    assert fastest(100) == pytest.approx(fastest(50), rel=0.05)
    assert fastest(25) == pytest.approx(fastest(50), rel=0.05)


def test_a_flag_has_the_reason_of_its_first_broken_rule():
    found = broken_rules({"es_percent": 90.0, "fac_percent": 2.0, "confidence": 0.97})
    assert [tuple(flag) for flag in found] == [
        ("curve", "the LV's area changes by 2 % in a beat"),
    ]


def test_a_right_heart_in_front_of_the_left_is_no_neighbour_of_the_la():
    shares = place_quality(relabelled(BEAT[:2], {1: 3, 3: 1}))
    assert shares["lv_off_la_percent"] == 100 and shares["rv_off_ra_percent"] == 100
