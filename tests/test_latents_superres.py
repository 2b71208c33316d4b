import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.latents.superres import (
    clean_transitions,
    codes_at,
    dense_times,
    low_pass,
    transitions,
)

WS = jnp.array([0.0, 1.0, 3.0, 7.0, 5.0])[:, None, None]


def read(times, steps=None):
    steps = transitions(WS) if steps is None else steps
    return codes_at(WS[0], steps, jnp.array(times))[:, 0, 0]


def test_the_papers_example_by_hand():
    # w_4.5 = w_1 + t_1→2 + t_2→3 + t_3→4 + t_4→5 / 2
    np.testing.assert_allclose(read([4.5]), [0 + 1 + 2 + 4 - 1])


def test_integer_times_give_the_projected_codes():
    np.testing.assert_allclose(read([1.0, 2.0, 3.0, 4.0, 5.0]), WS[:, 0, 0])


def test_a_closed_beat_returns_to_its_first_frame():
    steps = transitions(WS, closed=True)
    np.testing.assert_allclose(read([5.5, 6.0], steps), [2.5, 0.0], atol=1e-6)


@pytest.mark.parametrize(("closed", "count", "last"), [(False, 99, 50.0), (True, 100, 50.5)])
def test_doubling_50_frames(closed, count, last):
    times = dense_times(50, 2, closed)
    assert len(times) == count and times[-1] == last


@pytest.mark.parametrize("time", [0.9, 5.1])
def test_times_outside_the_video_are_refused(time):
    with pytest.raises(ValueError, match=r"\[1, 5\]"):
        read([time])


def test_tpca_leaves_four_directions_that_sum_to_zero():
    ws = jnp.asarray(np.random.default_rng(0).normal(size=(20, 3, 32)).astype(np.float32))
    steps = clean_transitions(transitions(ws), len(ws))
    singular = np.linalg.svd(np.asarray(steps).reshape(19, -1), compute_uv=False)
    assert (singular > 1e-4 * singular[0]).sum() == 4
    back = codes_at(ws[0], steps, jnp.array([20.0]))[0]
    np.testing.assert_allclose(back, ws[0], atol=1e-4)


def test_too_few_frames_for_tpca_are_refused():
    with pytest.raises(ValueError, match="0 components of 5 steps"):
        clean_transitions(transitions(jnp.zeros((6, 1, 4))), 6)


@pytest.mark.parametrize("num_frames", [24, 25])
def test_low_pass_keeps_slow_motion_and_takes_fast_jitter(num_frames):
    angle = 2 * np.pi * np.arange(num_frames)[:, None, None] / num_frames
    slow = 3 + np.cos(angle) - 2 * np.sin(6 * angle)
    passed = low_pass(jnp.asarray(slow + np.cos(7 * angle)), 6)
    np.testing.assert_allclose(passed, slow, atol=1e-5)
