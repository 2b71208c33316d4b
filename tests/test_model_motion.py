import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.latents.linear import Linear
from gancmri_jax.latents.motions import MOTIONS, OWN, Aligned, Conditioned, MeanSteps
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import LearnedMotion, Motion, from_tensors, to_tensors
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
    np.testing.assert_allclose(start, ws - 0.7 * model.motion.ed_to_es, rtol=1e-5)
    for method in ("frame-to-frame", "ed-to-es"):
        path = model.beat(start, Motion(method))
        assert path.shape == (50, 6, 8)
        np.testing.assert_allclose(path[0], start, rtol=1e-5, atol=1e-6)


def test_a_frame_is_taken_back_by_its_contraction(model):
    ws = model.sample(0)
    gradient = jnp.zeros_like(ws).at[0, 1].set(0.5)
    known = Linear(ws.at[0, 1].add(-0.5), gradient)
    more = dataclasses.replace(model.motion, contraction=known)
    np.testing.assert_allclose(more.at_ed(ws), ws - 0.25 * more.ed_to_es, rtol=1e-5)


def test_motions_are_as_deep_as_the_heart_but_where_they_say_so_themselves(model):
    start = model.sample(0)
    points = np.random.default_rng(0).normal(size=(2, 3, *start.shape)).astype(np.float32)
    aligned = Aligned(points[0])
    conditioned = Conditioned(points[1:], jnp.stack([start, start]), points[0])
    alike = LearnedMotion((*model.motion.kept, aligned, conditioned))
    depth = Linear(start.at[0, 1].add(-1), jnp.zeros_like(start).at[0, 1].set(0.5))
    deep = dataclasses.replace(alike, log_depth=depth)
    assert deep.names == [name for name in MOTIONS if name != OWN]
    for name in deep.names:
        paths = [motion.path(start, Motion(name)) - start[None] for motion in (deep, alike)]
        factor = 1.0 if name == "conditioned" else np.exp(0.5)
        np.testing.assert_allclose(paths[0], factor * paths[1], rtol=1e-3, atol=1e-4)


def test_a_heart_moves_as_far_as_its_own_depth_says(model):
    zero = jnp.zeros((6, 8))
    known = Linear(zero, zero.at[0, 0].set(np.log(1.5)))
    deep = dataclasses.replace(model.motion, log_depth=known)
    offsets = deep.offsets(zero, Motion("fourier"))
    for first, factor in ((0.0, 1.0), (1.0, 1.5), (-1.0, 1 / 1.5), (9.0, 2.0), (-9.0, 0.5)):
        start = zero.at[0, 0].set(first)
        path = deep.path(start, Motion("fourier")) - start[None]
        np.testing.assert_allclose(path, factor * offsets, rtol=1e-4, atol=1e-4)


def test_frame_to_frame_takes_the_models_steps(model):
    path = model.beat(model.sample(0), Motion())
    steps = model.motion.of(MeanSteps).steps
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
    with pytest.raises(InputError, match="has learned no motion; see `gancmri fit`"):
        bare.at_ed(ws)
    with pytest.raises(InputError, match="not learned the motion mean .it has none"):
        bare.beat(ws, Motion())
    with pytest.raises(InputError, match="pca_residual motion: 48 components of 49 steps"):
        model.beat(ws, Motion("pca_residual", components=48))


def test_the_papers_methods_are_models_of_the_beat(model):
    ws = model.sample(0)
    for method, name in (("ed-to-es", "published"), ("frame-to-frame", "mean")):
        np.testing.assert_array_equal(model.beat(ws, Motion(method)), model.beat(ws, Motion(name)))


def test_frame_to_frame_is_the_best_that_was_learned(model):
    points = np.random.default_rng(0).normal(size=(17, model.num_ws, model.w_dim))
    more = LearnedMotion((*model.motion.kept, Aligned(points)))
    assert more.names == [*model.motion.names, "aligned"]
    path = more.path(model.sample(0), Motion("frame-to-frame", 17))
    np.testing.assert_allclose(path - path[:1], points - points[:1], atol=1e-4)


@pytest.mark.parametrize("num_frames", [12, 50, 80])
def test_every_motion_gives_as_many_frames_as_are_asked_for(model, num_frames):
    names = model.motion.names
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
    learned = LearnedMotion((Conditioned(response[None], np.stack([centre, axis]), mean),))
    start = row.copy()
    start[0, 0] = 1.5
    path = learned.path(jnp.asarray(start), Motion("conditioned", 3))
    np.testing.assert_allclose(path[:, 1, 1], [0, 1 + 1.5 * 2, 0], atol=1e-5)


def test_what_is_kept_in_half_the_size_is_added_up_in_full(model):
    tensors = to_tensors(model.motion)
    halved = from_tensors({name: array.astype(jnp.float16) for name, array in tensors.items()})
    path = halved.path(model.sample(0), Motion("mean"))
    assert path.dtype == jnp.float32
    np.testing.assert_allclose(path, model.beat(model.sample(0), Motion("mean")), atol=0.02)


@pytest.mark.parametrize(
    ("name", "near"),
    [("aligne", "aligned"), ("frame-by-frame", "frame-to-frame"), ("splines", "spline")],
)
def test_an_unknown_motion_is_refused_with_the_nearest(name, near):
    said = f"unknown motion {name}; did you mean {near}? Motions are frame-to-frame, ed-to-es, pub"
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        Motion(name)
    assert "\n" not in str(caught.value)


def test_tensors_of_a_motion_that_is_not_here_are_kept(model):
    extra = {"swing.tail": jnp.ones((2, 6, 8))}
    tensors = to_tensors(model.motion) | extra
    again = to_tensors(from_tensors(tensors))
    assert list(again) == ["ed_to_es", "frame_to_frame", "swing.tail"]
    np.testing.assert_array_equal(again["swing.tail"], extra["swing.tail"])
    assert from_tensors(tensors).names == model.motion.names


def test_a_linear_function_of_three_codes_is_refused():
    with pytest.raises(ValueError, match="log_depth has 3 codes, and needs 2"):
        from_tensors({"log_depth": jnp.ones((3, 6, 8))})


def test_a_motion_is_learned_again_in_a_trace_and_not_kept(model):
    """A value of a trace that outlived it would be an error."""
    fresh = LearnedMotion(model.motion.kept)
    start = model.sample(0)
    traced = jax.jit(lambda ws: fresh.path(ws, Motion("mean", 5)))(start)
    np.testing.assert_allclose(fresh.path(start, Motion("mean", 5)), traced, rtol=1e-5, atol=1e-5)


def test_what_was_not_learned_is_named(model):
    with pytest.raises(
        InputError, match="not learned the motion conditioned .it has published, mean"
    ):
        model.beat(model.sample(0), Motion("conditioned"))
