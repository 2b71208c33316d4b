import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import Motion, beat_path, motions_of
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
    start = model.at_ed(ws)
    np.testing.assert_allclose(start, ws - 0.7 * model.trajectories["ed_to_es"], rtol=1e-5)
    for method in ("frame-to-frame", "ed-to-es"):
        path = model.beat(start, Motion(method))
        assert path.shape == (50, 6, 8)
        np.testing.assert_allclose(path[0], start, rtol=1e-5, atol=1e-6)


def test_a_frame_is_taken_back_by_its_contraction(model):
    ws = model.sample(0)
    gradient = jnp.zeros_like(ws).at[0, 1].set(0.5)
    known = {"contraction": jnp.stack([ws.at[0, 1].add(-0.5), gradient])}
    more = dataclasses.replace(model, trajectories=model.trajectories | known)
    np.testing.assert_allclose(more.at_ed(ws), ws - 0.25 * more.trajectories["ed_to_es"], rtol=1e-5)


def test_motions_are_as_deep_as_the_heart_but_where_they_say_so_themselves(model):
    start = model.sample(0)
    points = np.random.default_rng(0).normal(size=(2, 3, *start.shape)).astype(np.float32)
    known = {
        "log_depth": jnp.stack([start.at[0, 1].add(-1), jnp.zeros_like(start).at[0, 1].set(0.5)]),
        "aligned": points[0],
        "conditioned": points[1:],
        "conditioned_axes": jnp.stack([start, start]),
    }
    deep = dataclasses.replace(model, trajectories=model.trajectories | known)
    for name in motions_of(deep.trajectories):
        paths = [beat_path(start, deep.trajectories, Motion(name)) - start[None]]
        del (alike := dict(deep.trajectories))["log_depth"]
        paths.append(beat_path(start, alike, Motion(name)) - start[None])
        factor = 1.0 if name == "conditioned" else np.exp(0.5)
        np.testing.assert_allclose(paths[0], factor * paths[1], rtol=1e-3, atol=1e-4)


def test_frame_to_frame_takes_the_models_steps(model):
    path = model.beat(model.sample(0), Motion())
    steps = model.trajectories["frame_to_frame"]
    np.testing.assert_allclose(path[1:] - path[:-1], steps, atol=1e-4)


def test_the_papers_cleaning_closes_the_49_steps(model):
    path = model.beat(model.sample(0), Motion("pca_residual"))
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
        bare.at_ed(ws)
    with pytest.raises(InputError, match="no frame_to_frame among its trajectories"):
        bare.beat(ws, Motion())
    with pytest.raises(InputError, match="pca_residual motion: 48 components of 49 steps"):
        model.beat(ws, Motion("pca_residual", components=48))


def test_the_papers_methods_are_models_of_the_beat(model):
    ws = model.sample(0)
    for method, name in (("ed-to-es", "published"), ("frame-to-frame", "mean")):
        np.testing.assert_array_equal(model.beat(ws, Motion(method)), model.beat(ws, Motion(name)))


def test_frame_to_frame_is_the_best_that_was_learned(model):
    points = np.random.default_rng(0).normal(size=(17, model.num_ws, model.w_dim))
    more = dataclasses.replace(model, trajectories=model.trajectories | {"aligned": points})
    assert motions_of(more.trajectories) == [*motions_of(model.trajectories), "aligned"]
    path = more.beat(more.sample(0), Motion("frame-to-frame", 17))
    np.testing.assert_allclose(path - path[:1], points - points[:1], atol=1e-4)


@pytest.mark.parametrize("num_frames", [12, 50, 80])
def test_every_motion_gives_as_many_frames_as_are_asked_for(model, num_frames):
    names = motions_of(model.trajectories)
    assert names == ["published", "mean", "pca_residual", "fourier", "spline", "polynomial"]
    for name in names:
        assert len(model.beat(model.sample(0), Motion(name, num_frames))) == num_frames


def test_a_beat_may_depend_on_its_heart(model):
    row = np.zeros((model.num_ws, model.w_dim), np.float32)
    centre, axis = row.copy(), row.copy()
    axis[0, 0] = 1.0  # a start scores by its first number
    mean, response = np.zeros((2, 3, *row.shape), np.float32)
    mean[:, 1, 1] = [0, 1, 0]
    response[:, 1, 1] = [0, 2, 0]
    learned = {
        "aligned": mean,
        "conditioned": response[None],
        "conditioned_axes": np.stack([centre, axis]),
    }
    start = row.copy()
    start[0, 0] = 1.5
    path = beat_path(jnp.asarray(start), learned, Motion("conditioned", 3))
    np.testing.assert_allclose(path[:, 1, 1], [0, 1 + 1.5 * 2, 0], atol=1e-5)


def test_what_is_kept_in_half_the_size_is_added_up_in_full(model):
    halved = {name: array.astype(jnp.float16) for name, array in model.trajectories.items()}
    path = beat_path(model.sample(0), halved, Motion("mean"))
    assert path.dtype == jnp.float32
    np.testing.assert_allclose(path, model.beat(model.sample(0), Motion("mean")), atol=0.02)


def test_an_unknown_motion_is_refused():
    with pytest.raises(InputError, match="unknown motion zigzag; there are published, mean"):
        Motion("zigzag")


def test_what_was_not_learned_is_named(model):
    with pytest.raises(InputError, match="no conditioned among its trajectories"):
        model.beat(model.sample(0), Motion("conditioned"))
