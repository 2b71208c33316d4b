import dataclasses

import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.summary import summarise
from gancmri_jax.cine.timing import checked, from_beat, from_stamps, heart_rate_bpm

RNG = np.random.default_rng(0)


def cine(num_frames, frame_ms):
    return Cine(RNG.integers(0, 99, (num_frames, 20, 24)), (1.5, 1.5), frame_ms, "heart")


@pytest.mark.parametrize(
    "times, frame_ms, note",
    [
        (np.arange(25) * 32.0, 32, None),
        (np.round(np.arange(25) * 45.27), 45, None),  # rounded stamps
        (np.delete(np.arange(25) * 32.0, 10), 32, "1 phase is missing: steps of 32 ms, but 64 ms"),
        (np.delete(np.arange(25) * 32.0, [10, 11]), 32, "2 phases are missing"),
        (np.cumsum([0.0, *[20, 60] * 8]), 40, "uneven in time: steps of 20 to 60 ms, 40 ms in"),
        (np.arange(25) * 32.0 - 16 * (np.arange(25) == 7), 32, "uneven in time"),
        ([0, 30, 60, 60, 120, 150], 30, None),  # two share one rounded time
        ([0, 0, 60, 90, 120, 150], 30, None),
        ([0, 30, 60, 90, 150, 150], 30, None),
        ([5.0, 5.0, 5.0], None, "stand still"),
    ],
)
def test_time_stamps(times, frame_ms, note):
    timing = from_stamps([float(time) for time in times])
    assert timing.frame_ms == (frame_ms and pytest.approx(frame_ms, rel=1e-6))
    assert (note in timing.notes[0]) if note else not timing.notes


def test_two_beats_by_the_nominal_interval_have_no_time():
    times = [40.0 * i for i in range(50)]
    timing = from_stamps(times, beat_ms=1000)
    assert timing.frame_ms is None and "2.0 beats of 1000 ms" in timing.notes[0]
    assert from_stamps(times[:25], beat_ms=1000).notes == ()


def test_a_beat_is_divided_by_the_frames_it_had():
    assert from_beat(800, 25).frame_ms == 32 == from_beat(800, 24, 25).frame_ms
    assert from_beat(800, 24, 25).notes == ("1 of 25 phases is missing",)
    assert from_beat(None, 24).frame_ms is None


@pytest.mark.parametrize(
    "num_frames, frame_ms, kept, note",
    [
        (30, 33.0, True, None),
        (30, 1000.0, False, "would be 2 beats a minute, outside 25 to 220, so time is unknown"),
        (30, 1.0, False, "would be 2e+03 beats a minute"),
        (10, 18.0, True, "no whole beat"),
        (4, 30.0, True, "only 4 frames"),
        (2, 2000.0, False, "would be 15 beats a minute"),
        (30, None, False, "time between frames is unknown"),
        (30, float("nan"), False, "time between frames is unknown"),
        (30, -5.0, False, "so time is unknown"),
    ],
)
def test_what_no_heart_does_is_unknown(num_frames, frame_ms, kept, note):
    result = checked(cine(num_frames, frame_ms))
    assert result.frame_ms == (frame_ms if kept else None)
    assert (note in " ".join(result.notes)) if note else not result.notes
    rate = summarise(result, np.zeros([num_frames, 4, 4], np.uint8))["heart_rate_bpm"]
    assert rate is None or 25 <= rate <= 220


def test_heart_rates_no_heart_has_are_unknown():
    assert heart_rate_bpm(40, 25) == 60
    assert heart_rate_bpm(30, 4) is None is heart_rate_bpm(None, 25)


def test_two_beats_that_look_alike_have_no_time():
    frames = RNG.normal(0, 100, (13, 40, 44)).cumsum(0)
    twice = np.concatenate([frames, frames + RNG.normal(0, 5, frames.shape)])
    once = np.concatenate([frames, frames[::-1]])
    for pixels, told in ((twice, True), (once, False)):
        result = checked(dataclasses.replace(cine(26, 30.0), pixels=pixels))
        assert (result.frame_ms is None) == told == bool(result.notes)
