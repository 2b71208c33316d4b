import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.model.model import Model
from gancmri_jax.video.generate import Motion, adjust, beat, sample_ws
from gancmri_jax.video.render import render, render_uint8
from tests.tiny import tiny_model


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def test_a_heart_is_its_seed(model):
    np.testing.assert_array_equal(sample_ws(model, 3), sample_ws(model, 3))
    assert not np.allclose(sample_ws(model, 3), sample_ws(model, 4))
    np.testing.assert_allclose(sample_ws(model, 3, 0.0)[0], model.w_avg, rtol=1e-6)


def test_both_methods_start_at_end_diastole(model):
    ws = sample_ws(model, 0)
    start = ws - 0.7 * model.trajectories["ed_to_es"]
    for method in ("frame-to-frame", "ed-to-es"):
        path = beat(model, ws, Motion(method))
        assert path.shape == (50, 6, 8)
        np.testing.assert_allclose(path[0], start, rtol=1e-5, atol=1e-6)


def test_frame_to_frame_takes_the_models_steps(model):
    path = beat(model, sample_ws(model, 0), Motion())
    steps = model.trajectories["frame_to_frame"]
    np.testing.assert_allclose(path[1:] - path[:-1], steps, atol=1e-4)


def test_the_papers_cleaning_closes_the_49_steps(model):
    path = beat(model, sample_ws(model, 0), Motion(steps="pca_residual"))
    np.testing.assert_allclose(path[-1], path[0], atol=1e-3)


def test_adjusting_moves_along_the_direction(model):
    ws = sample_ws(model, 0)
    moved = adjust(model, ws, {"lv_area": -1.5})
    np.testing.assert_allclose(moved - ws, -1.5 * model.directions["lv_area"], atol=1e-5)


def test_what_the_model_has_not_learned_is_named(model):
    ws = sample_ws(model, 0)
    with pytest.raises(InputError, match="no ef among its directions .it has lv_area"):
        adjust(model, ws, {"ef": 1.0})
    bare = Model(model.generator, model.params, model.w_avg, model.noise)
    with pytest.raises(InputError, match="no ed_to_es among its trajectories .it has none"):
        beat(bare, ws, Motion())
    with pytest.raises(InputError, match="48 components of 49 steps"):
        beat(model, ws, Motion(steps="pca_residual", components=48))


def test_a_frame_is_the_same_bits_in_any_request(model):
    path = beat(model, sample_ws(model, 0), Motion(num_frames=23))
    frames = render(model, path)
    assert frames.shape == (23, 16, 16)
    np.testing.assert_array_equal(render(model, path[:3]), frames[:3])
    np.testing.assert_array_equal(render(model, path[20:]), frames[20:])
    expected = np.clip(np.rint((frames + 1) * 127.5), 0, 255)
    np.testing.assert_array_equal(render_uint8(model, path), expected)
