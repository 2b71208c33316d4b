import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.preprocess import to_uint8
from gancmri_jax.errors import InputError
from gancmri_jax.video.render import render_uint8
from gancmri_jax.video.superres import motion_weight, super_resolve
from tests.tiny import tiny_model


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def ws():
    return np.random.default_rng(0).normal(size=(8, 6, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(1).integers(0, 256, (8, 16, 16)).astype(np.uint8)


def frames(model, pixels, ws, factor, **options):
    """The frames of a cine at a higher rate."""
    cine = Cine(pixels, (1.0, 1.0), None, "a")
    return super_resolve(model, cine, ws, factor, **options).cine.pixels


@pytest.mark.parametrize("method", ["codes", "residual"])
def test_time_ed_and_es_keep_their_moments_and_new_frames_are_marked(model, pixels, ws, method):
    cine = Cine(pixels, (1.5, 1.25), 30.0, "anna", ed_frame=1, es_frame=4)
    dense, generated = super_resolve(model, cine, ws, 3, method=method, closed=True)
    assert (dense.frame_ms, dense.ed_frame, dense.es_frame) == (10.0, 3, 12)
    assert (dense.subject, dense.spacing_mm) == ("anna", (1.5, 1.25))
    assert generated.tolist() == [False, True, True] * 8
    unknown = Cine(pixels, (1.5, 1.25), None, "anna")
    dense, _ = super_resolve(model, unknown, ws, 2, method=method)
    assert (dense.frame_ms, dense.ed_frame, dense.es_frame) == (62.5, 0, None)  # a beat of 1 s


def test_frames_that_are_all_rendered_are_all_marked(model, pixels, ws):
    cine = Cine(pixels, (1.0, 1.0), 30.0, "anna")
    assert super_resolve(model, cine, ws, 2, all_generated=True).generated.all()


@pytest.mark.parametrize(
    ("option", "said"), [("tpca", "tPCA"), ("all_generated", "rendering all frames")]
)
def test_the_residual_method_takes_no_option_of_the_codes(model, pixels, ws, option, said):
    with pytest.raises(InputError, match=f"residual method does not go with {said}"):
        frames(model, pixels, ws, 2, method="residual", **{option: True})


def test_originals_stay_and_frames_between_are_rendered(model, pixels, ws):
    dense = frames(model, pixels, ws, 2)
    assert dense.shape == (15, 16, 16)
    np.testing.assert_array_equal(dense[::2], pixels)
    between = render_uint8(model, (ws[:-1] + ws[1:]) / 2)
    assert np.abs(dense[1::2].astype(int) - between).max() <= 1


def test_all_generated_renders_the_codes_at_the_original_times(model, pixels, ws):
    dense = frames(model, pixels, ws, 3, all_generated=True)
    assert np.abs(dense[::3].astype(int) - render_uint8(model, ws)).max() <= 1


def test_a_closed_beat_is_exactly_factor_times_as_long(model, pixels, ws):
    dense = frames(model, pixels, ws, 2, closed=True)
    assert dense.shape == (16, 16, 16)
    last = render_uint8(model, (ws[-1:] + ws[:1]) / 2)
    assert np.abs(dense[-1].astype(int) - last[0]).max() <= 1


def test_tpca_reads_other_frames_and_wants_enough_of_them(model, pixels, ws):
    assert not np.array_equal(frames(model, pixels, ws, 2, tpca=True), frames(model, pixels, ws, 2))
    with pytest.raises(InputError, match="tPCA of a video of 6 frames"):
        frames(model, pixels[:6], ws[:6], 2, tpca=True)


@pytest.mark.parametrize("closed", [False, True])
def test_the_residual_keeps_originals_and_is_a_blend_where_codes_stand_still(
    model, pixels, ws, closed
):
    still = np.broadcast_to(ws[:1], ws.shape)
    dense = frames(model, pixels, still, 4, method="residual", closed=closed)
    assert len(dense) == (32 if closed else 29)
    np.testing.assert_array_equal(dense[::4], pixels)
    quarter = 0.75 * pixels[3].astype(float) + 0.25 * pixels[4]
    assert np.abs(dense[13] - quarter).max() <= 1


def test_the_residual_finds_what_the_generator_moved_and_a_still_picture_lies_over(model):
    angle = 2 * np.pi * np.arange(16)[:, None, None] / 16
    turn = np.random.default_rng(2).normal(size=(2, 6, 8))
    ws = (np.cos(angle) * turn[0] + np.sin(angle) * turn[1]).astype(np.float32)
    over = np.random.default_rng(3).uniform(-0.2, 0.2, (1, 16, 16))
    video = to_uint8(0.5 * model.render(ws)[..., 0] + over)
    kept, removed = video[::2].astype(int), video[1::2].astype(int)
    dense = frames(model, video[::2], ws[::2], 2, method="residual", closed=True)
    blend = (kept + np.roll(kept, -1, axis=0)) / 2
    errors = [np.abs(found - removed).mean() for found in (dense[1::2], blend)]
    assert errors[0] < 0.6 * errors[1]


def test_motion_is_believed_as_far_as_it_is_borne_out():
    moved = np.random.default_rng(0).normal(size=(9, 4, 4))
    slope = np.linspace(0, 1, 9)[:, None, None]  # which a blend finds by itself
    assert motion_weight(0.3 * moved + slope, moved) == pytest.approx(0.3)
    assert motion_weight(-moved, moved) == 0.0
    assert motion_weight(3 * moved, moved) == 1.0
    assert motion_weight(moved, slope * np.ones((1, 4, 4))) == pytest.approx(0.0, abs=1e-6)
    assert motion_weight(moved[:2], moved[:2]) == 0.0
