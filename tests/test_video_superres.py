import numpy as np
import pytest

from gancmri_jax.cine.preprocess import to_model_range, to_uint8
from gancmri_jax.errors import InputError
from gancmri_jax.latents.superres import low_pass
from gancmri_jax.video.render import render_uint8
from gancmri_jax.video.superres import super_resolve, super_resolve_residual
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


def test_originals_stay_and_frames_between_are_rendered(model, pixels, ws):
    dense = super_resolve(model, pixels, ws, 2)
    assert dense.shape == (15, 16, 16)
    np.testing.assert_array_equal(dense[::2], pixels)
    between = render_uint8(model, (ws[:-1] + ws[1:]) / 2)
    assert np.abs(dense[1::2].astype(int) - between).max() <= 1


def test_all_generated_renders_the_codes_at_the_original_times(model, pixels, ws):
    dense = super_resolve(model, pixels, ws, 3, all_generated=True)
    assert np.abs(dense[::3].astype(int) - render_uint8(model, ws)).max() <= 1


def test_a_closed_beat_is_exactly_factor_times_as_long(model, pixels, ws):
    dense = super_resolve(model, pixels, ws, 2, closed=True)
    assert dense.shape == (16, 16, 16)
    last = render_uint8(model, (ws[-1:] + ws[:1]) / 2)
    assert np.abs(dense[-1].astype(int) - last[0]).max() <= 1


def test_tpca_reads_other_frames_and_wants_enough_of_them(model, pixels, ws):
    assert not np.array_equal(
        super_resolve(model, pixels, ws, 2, tpca=True), super_resolve(model, pixels, ws, 2)
    )
    with pytest.raises(InputError, match="tPCA of a video of 6 frames"):
        super_resolve(model, pixels[:6], ws[:6], 2, tpca=True)


@pytest.mark.parametrize("closed", [False, True])
def test_the_residual_keeps_originals_and_is_a_blend_where_codes_stand_still(
    model, pixels, ws, closed
):
    still = np.broadcast_to(ws[:1], ws.shape)
    dense = super_resolve_residual(model, pixels, still, 4, closed=closed)
    assert len(dense) == (32 if closed else 29)
    np.testing.assert_array_equal(dense[::4], pixels)
    quarter = 0.75 * pixels[3].astype(float) + 0.25 * pixels[4]
    assert np.abs(dense[13] - quarter).max() <= 1


def test_the_residual_adds_the_generators_motion_to_the_blend(model, pixels, ws):
    slow = low_pass(ws)
    moved = (
        model.render((slow[:-1] + slow[1:]) / 2)
        - (model.render(slow[:-1]) + model.render(slow[1:])) / 2
    )
    real = to_model_range(pixels)
    expected = to_uint8((real[:-1] + real[1:]) / 2 + moved[..., 0])
    dense = super_resolve_residual(model, pixels, ws, 2)
    assert np.abs(dense[1::2].astype(int) - expected).max() <= 1
    assert np.abs(moved).max() > 0.05
