import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import Motion
from tests.tiny import tiny_model


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def test_a_heart_is_its_seed(model):
    np.testing.assert_array_equal(model.sample(3), model.sample(3))
    assert not np.allclose(model.sample(3), model.sample(4))
    np.testing.assert_allclose(model.sample(3, 0.0)[0], model.w_avg, rtol=1e-6)


def test_both_methods_start_at_end_diastole(model):
    ws = model.sample(0)
    start = ws - 0.7 * model.trajectories["ed_to_es"]
    for method in ("frame-to-frame", "ed-to-es"):
        path = model.beat(ws, Motion(method))
        assert path.shape == (50, 6, 8)
        np.testing.assert_allclose(path[0], start, rtol=1e-5, atol=1e-6)


def test_frame_to_frame_takes_the_models_steps(model):
    path = model.beat(model.sample(0), Motion())
    steps = model.trajectories["frame_to_frame"]
    np.testing.assert_allclose(path[1:] - path[:-1], steps, atol=1e-4)


def test_the_papers_cleaning_closes_the_49_steps(model):
    path = model.beat(model.sample(0), Motion(steps="pca_residual"))
    np.testing.assert_allclose(path[-1], path[0], atol=1e-3)


def test_adjusting_moves_along_the_direction(model):
    ws = model.sample(0)
    moved = model.adjust(ws, {"lv_area": -1.5})
    np.testing.assert_allclose(moved - ws, -1.5 * model.directions["lv_area"], atol=1e-5)


def test_what_the_model_has_not_learned_is_named(model):
    ws = model.sample(0)
    with pytest.raises(InputError, match="no ef among its directions .it has lv_area"):
        model.adjust(ws, {"ef": 1.0})
    bare = Model(model.generator, model.params, model.w_avg, model.noise)
    with pytest.raises(InputError, match="no ed_to_es among its trajectories .it has none"):
        bare.beat(ws, Motion())
    with pytest.raises(InputError, match="48 components of 49 steps"):
        model.beat(ws, Motion(steps="pca_residual", components=48))
