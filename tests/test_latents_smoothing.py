import numpy as np
import pytest

from gancmri_jax.latents.smoothing import fourier_smoother, polynomial_smoother, spline_smoother


def beat(num_frames, *harmonics):
    """A closed curve [t] of sines, one for each number of periods."""
    time = np.arange(num_frames) / num_frames
    return sum(np.sin(2 * np.pi * k * time + k) for k in harmonics)


def test_few_harmonics_pass_and_many_do_not():
    smoother = fourier_smoother(50, 100, 5)
    np.testing.assert_allclose(smoother @ beat(50, 1, 5), beat(100, 1, 5), atol=1e-12)
    np.testing.assert_allclose(smoother @ beat(50, 9), 0, atol=1e-12)
    np.testing.assert_allclose(smoother @ np.full(50, 3.0), 3)


def test_an_odd_number_of_points_stands_for_the_whole_curve():
    points = beat(11, 2, 5)
    np.testing.assert_allclose(fourier_smoother(11, 40, 5) @ points, beat(40, 2, 5), atol=1e-12)


def test_a_polynomial_that_closes_is_found_again():
    time = np.arange(20) / 20
    curve = time * (1 - time) * (3 - 7 * time**2)
    dense = np.arange(60) / 60
    expected = dense * (1 - dense) * (3 - 7 * dense**2)
    np.testing.assert_allclose(polynomial_smoother(20, 60, 6) @ curve, expected, atol=1e-10)


def test_a_polynomial_starts_where_the_beat_starts():
    smoother = polynomial_smoother(30, 30, 8)
    assert smoother[0] == pytest.approx(np.zeros(30), abs=1e-12)


def test_a_spline_takes_jitter_away_and_leaves_the_beat():
    rng = np.random.default_rng(0)
    clean = np.stack([beat(50, 1, 2), beat(50, 1, 3)], axis=1)[:, None]
    jittery = clean + rng.normal(0, 0.3, clean.shape)
    smooth = np.tensordot(spline_smoother(jittery, 50), jittery, axes=1)
    assert np.square(smooth - clean).mean() < 0.35 * np.square(jittery - clean).mean()


def test_a_spline_passes_through_what_is_smooth_and_is_periodic():
    clean = np.stack([beat(40, 1), beat(40, 2)], axis=1)[:, None]
    matrix = spline_smoother(clean, 80)
    expected = np.stack([beat(80, 1), beat(80, 2)], axis=1)[:, None]
    np.testing.assert_allclose(np.tensordot(matrix, clean, axes=1), expected, atol=1e-3)
    # Where the beat is cut makes no difference.
    rolled = spline_smoother(np.roll(clean, 7, axis=0), 40)
    np.testing.assert_allclose(np.roll(rolled, (-7, -7), (0, 1)), rolled, atol=1e-9)
    np.testing.assert_allclose(rolled, matrix[::2], atol=1e-9)


def test_too_few_frames_are_refused():
    with pytest.raises(ValueError, match="5 harmonics need 11 frames, got 10"):
        fourier_smoother(10, 10, 5)
    with pytest.raises(ValueError, match="degree of 10 needs over 10 frames, got 10"):
        polynomial_smoother(10, 10, 10)
