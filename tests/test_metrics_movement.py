import numpy as np
import pytest

from gancmri_jax.metrics.movement import movement


def video(values):
    return np.full((len(values), 4, 4), np.array(values)[:, None, None], np.uint8)


def test_a_ramp_is_smooth_and_does_not_close():
    found = movement(video([10, 12, 14, 16]))
    assert (found.step, found.roughness, found.excursion) == (2, 0, 6)
    assert found.closure == pytest.approx(3)


def test_a_beat_closes_and_jitter_is_rough():
    beat = movement(video([10, 20, 30, 20]))
    assert beat.closure == pytest.approx(1) and beat.excursion == 20
    assert movement(video([10, 20, 10, 20])).roughness == pytest.approx(2)


def test_a_still_video_has_no_motion():
    found = movement(video([5, 5, 5]))
    assert (found.step, found.roughness, found.closure, found.excursion) == (0, 0, 0, 0)
