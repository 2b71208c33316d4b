import numpy as np
import pytest

from gancmri_jax.cine.preprocess import to_uint8
from gancmri_jax.video.belief import Belief, account_of, measure_belief
from tests.tiny import tiny_model


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def line(model):
    """Codes along a straight line, and their renderings as frames."""
    start, k = (np.asarray(model.sample(seed)) for seed in (1, 2))
    ws = start + np.arange(8, dtype=np.float32)[:, None, None] * 0.3 * (k - start)
    return ws, to_uint8(model.render(ws)[..., 0])


def test_codes_on_a_line_restore_what_a_blend_does_not(model, line):
    ws, pixels = line
    found = measure_belief(model, pixels, ws, "codes", closed=False)
    assert found.rendered.max() < 0.51  # rounding alone
    # Each code is the middle of its neighbours', so it is made again exactly.
    np.testing.assert_allclose(found.restored[1:-1], found.rendered[1:-1], atol=1e-3)
    assert np.isnan(found.restored[[0, -1]]).all() and np.isnan(found.blended[[0, -1]]).all()
    assert np.nanmean(found.blended) > 2 * np.nanmean(found.restored)
    assert not found.misleads
    by_hand = np.sqrt(np.mean((pixels[2] / 2.0 + pixels[4] / 2.0 - pixels[3].astype(float)) ** 2))
    assert found.blended[3] == pytest.approx(by_hand, rel=1e-5)


def test_codes_of_other_frames_mislead_and_the_residual_does_not_follow_them(model, line):
    ws, pixels = line
    wrong = ws[[3, 0, 6, 1, 7, 2, 5, 4]]
    codes = measure_belief(model, pixels, wrong, "codes", closed=True)
    assert codes.misleads and not np.isnan(codes.restored).any()
    residual = measure_belief(model, pixels, wrong, "residual", closed=True)
    assert residual.restored.mean() < 1.05 * residual.blended.mean()


def test_each_frame_is_accounted_for():
    belief = Belief(np.array([1.0, 2.0, 3.0]), np.array([np.nan, 4.0, 6.0]), np.zeros(3))
    generated = np.array([False, True, False, True, False, True])
    assert account_of(belief, generated, 2) == [
        {"frame": 0, "measured": True, "source_frame": 0},
        {"frame": 1, "measured": False, "between": [0, 1], "error_grey_levels": 4.0},
        {"frame": 2, "measured": True, "source_frame": 1},
        {"frame": 3, "measured": False, "between": [1, 2], "error_grey_levels": 5.0},
        {"frame": 4, "measured": True, "source_frame": 2},
        {"frame": 5, "measured": False, "between": [2, 0], "error_grey_levels": 6.0},
    ]
    anew = account_of(belief, np.ones(5, bool), 2)[2]  # of --all-generated
    assert anew == {"frame": 2, "measured": False, "source_frame": 1, "error_grey_levels": 2.0}
