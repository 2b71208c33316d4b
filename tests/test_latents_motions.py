import inspect

import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.latents import motions
from gancmri_jax.latents.linear import Linear
from gancmri_jax.latents.pca import pca_residual
from gancmri_jax.latents.steps import differences, retained_motion, roughness

T = 50
MODELS = ["published", "mean", "pca_residual", "fourier", "spline", "polynomial", "aligned"]


def contraction(es_frame, t=T):
    """How far a beat [t] is on its way to ES: 0 at ED, 1 at its ES frame, and back."""
    frames = np.arange(t)
    there = frames / es_frame
    back = (t - frames) / (t - es_frame)
    return np.where(frames <= es_frame, np.sin(np.pi / 2 * there), np.sin(np.pi / 2 * back)) ** 2


def study(es_frames, jitter=0.0, seed=0):
    """Beats [v t 2 3] that go along one k, each to ES at its own time."""
    rng = np.random.default_rng(seed)
    k = np.array([[1.0, 0.0, 2.0], [0.0, -1.0, 0.5]])
    starts = rng.normal(size=(len(es_frames), 1, 2, 3))
    moved = np.stack([contraction(es)[:, None, None] * k for es in es_frames])
    noise = jitter * rng.normal(size=moved.shape)
    return jnp.asarray(starts + moved + noise, jnp.float32), np.array(es_frames), jnp.asarray(k)


@pytest.mark.parametrize("name", [*MODELS, "conditioned"])
def test_every_model_has_the_same_signature_and_starts_at_its_start(name):
    model = getattr(motions, name)
    assert list(inspect.signature(model).parameters)[:3] == ["ws", "es_frames", "num_frames"]
    ws, es_frames, _ = study([18, 20, 22, 20, 19, 21], jitter=0.05)
    motion = model(ws, es_frames, 40)
    assert motion.offsets.shape == (40, 2, 3)
    np.testing.assert_allclose(motion.offsets[0], 0, atol=1e-6)
    start = ws[1, 0]
    path = motions.path_from(motion, start)
    np.testing.assert_allclose(path[0], start, atol=1e-5)


@pytest.mark.parametrize("name", ["mean", "fourier", "spline", "polynomial", "aligned"])
def test_models_find_a_beat_that_all_share(name):
    ws, es_frames, k = study([20] * 5)
    motion = getattr(motions, name)(ws, es_frames, T)
    expected = contraction(20)[:, None, None] * np.asarray(k)
    np.testing.assert_allclose(motion.offsets, expected, atol=0.03)


def test_published_goes_by_the_authors_amounts():
    ws, es_frames, k = study([15, 25])
    offsets = motions.published(ws, es_frames, T).offsets
    amounts = np.concatenate([np.arange(25), np.arange(25)[::-1]]) / 25
    np.testing.assert_allclose(offsets, amounts[:, None, None] * np.asarray(k), atol=1e-5)


def test_pca_residual_is_the_papers_cleaning_of_the_mean_steps():
    ws, es_frames, _ = study([18, 22], jitter=0.1)
    motion = motions.pca_residual(ws, es_frames, T, 3)
    cleaned = pca_residual(differences(jnp.mean(ws, axis=0)), 3)
    np.testing.assert_allclose(differences(motion.offsets), cleaned, atol=1e-4)
    with pytest.raises(ValueError, match="32 components of 19 steps"):
        motions.pca_residual(ws[:, :20], es_frames, T)


def test_alignment_brings_every_systole_to_the_mean_frame_and_keeps_its_depth():
    es_frames = [12, 16, 20, 24, 28]
    ws, es_frames, k = study(es_frames)
    together = motions.align_systole(ws, es_frames)
    along = jnp.tensordot(together - together[:, :1], k, axes=2) / jnp.sum(k**2)
    np.testing.assert_array_equal(along.argmax(axis=1), 20)
    np.testing.assert_allclose(along.max(axis=1), 1, atol=1e-5)
    blurred = motions.mean(ws, es_frames, T).offsets
    sharp = motions.aligned(ws, es_frames, T).offsets
    assert retained_motion(differences(blurred), k).peak < 0.94
    assert retained_motion(differences(sharp), k).peak > 0.98


@pytest.mark.parametrize("name", ["fourier", "spline", "polynomial", "aligned"])
def test_smooth_models_are_smoother_than_the_mean(name):
    ws, es_frames, _ = study([20] * 4, jitter=0.3)
    plain = roughness(motions.mean(ws, es_frames, T).offsets, True)
    assert roughness(getattr(motions, name)(ws, es_frames, T).offsets, True) < plain / 2


def test_points_of_a_curve_are_read_at_any_number_of_frames():
    ws, es_frames, _ = study([18, 20, 22])
    points = motions.aligned(ws, es_frames, 17).offsets
    dense = motions.read_curve(points, 64).offsets
    np.testing.assert_allclose(dense, motions.aligned(ws, es_frames, 64).offsets, atol=1e-5)


def test_what_depends_on_the_start_is_learned():
    rng = np.random.default_rng(1)
    size = rng.normal(size=30)  # what a start tells of how deep its beat is
    starts = size[:, None, None] * np.array([[0.0, 4.0, 0.0]])
    starts = starts + 0.01 * rng.normal(size=(30, 1, 3))
    k = np.array([[3.0, 0.0, 1.0]])
    depth = 1 + 0.4 * size
    beats = starts[:, None] + (depth[:, None] * contraction(20))[:, :, None, None] * k
    motion = motions.conditioned(jnp.asarray(beats, jnp.float32), np.full(30, 20), T, rank=1)
    for value in (-1.5, 0.0, 1.5):
        start = jnp.asarray([[0.0, 4.0 * value, 0.0]])
        path = motions.path_from(motion, start) - start[None]
        reached = float(jnp.tensordot(path, jnp.asarray(k, jnp.float32), axes=2)[20]) / 10
        assert reached == pytest.approx(1 + 0.4 * value, abs=0.06)


def test_a_heart_moves_as_far_as_its_own_depth_says():
    ws, es_frames, k = study([18, 20, 22])
    known = Linear(jnp.zeros((2, 3)), jnp.zeros((2, 3)).at[0, 0].set(np.log(1.5)))
    motion = motions.aligned(ws, es_frames, T)
    deep = motion._replace(log_depth=known)
    for first, factor in ((0.0, 1.0), (1.0, 1.5), (-1.0, 1 / 1.5), (9.0, 2.0), (-9.0, 0.5)):
        start = jnp.zeros((2, 3)).at[0, 0].set(first)
        path = motions.path_from(deep, start) - start[None]
        np.testing.assert_allclose(path, factor * motion.offsets, atol=1e-5)


def test_a_start_far_from_all_hearts_moves_as_the_last_of_them():
    ws, es_frames, _ = study([18, 20, 22, 20, 19, 21], jitter=0.1)
    motion = motions.conditioned(ws, es_frames, T, rank=1)
    axis = motion.axes[0] / jnp.sum(jnp.square(motion.axes[0]))
    far, farther = (motion.centre + sd * axis for sd in (50, 100))
    moves = [motions.path_from(motion, start) - start[None] for start in (far, farther)]
    np.testing.assert_allclose(*moves, atol=1e-3)


def test_too_few_beats_for_the_responses_are_refused():
    ws, es_frames, _ = study([20, 21, 19, 20])
    with pytest.raises(ValueError, match="3 responses need 5 whole beats or more, got 4"):
        motions.conditioned(ws, es_frames, T)
