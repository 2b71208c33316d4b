import numpy as np

from gancmri_jax.projection.flags import Flag, far_distance, flag


def test_far_is_five_robust_deviations_above_the_median():
    # Median 3, median absolute deviation 1.
    distances = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    np.testing.assert_allclose(far_distance(distances), 3 + 5 / 0.6745)
    # What is far does not raise the limit.
    assert far_distance(np.array([1.0, 2.0, 3.0, 4.0, 1e9])) == far_distance(distances)
    np.testing.assert_allclose(far_distance(np.array([2.0, 2.0, 2.1])), 3.0)  # half as much again
    assert far_distance(np.array([])) == np.inf


def test_flags_by_hand():
    flags = flag(np.array([[0.1, 0.5], [np.nan, np.inf]]), 0.4)
    assert flags.tolist() == [[Flag.FINE, Flag.FAR], [Flag.NO_NUMBER, Flag.NO_NUMBER]]
