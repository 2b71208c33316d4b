import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.latents import motions
from gancmri_jax.latents.beats import Beats, align_systole
from gancmri_jax.latents.motions import MOTIONS, MeanSteps
from gancmri_jax.latents.pca import pca_residual
from gancmri_jax.latents.smoothing import fourier_smoother
from gancmri_jax.latents.steps import differences, mean_ed_to_es, retained_motion, roughness

T = 50


def contraction(es_frame, t=T):
    """How far a beat [t] is on its way to ES: 0 at ED, 1 at its ES frame, and back."""
    frames = np.arange(t)
    there = frames / es_frame
    back = (t - frames) / (t - es_frame)
    return np.where(frames <= es_frame, np.sin(np.pi / 2 * there), np.sin(np.pi / 2 * back)) ** 2


def study(es_frames, jitter=0.0, seed=0):
    """Beats [v t 2 3] that go along one k, each to ES at its own time, and k."""
    rng = np.random.default_rng(seed)
    k = np.array([[1.0, 0.0, 2.0], [0.0, -1.0, 0.5]])
    starts = rng.normal(size=(len(es_frames), 1, 2, 3))
    moved = np.stack([contraction(es)[:, None, None] * k for es in es_frames])
    noise = jitter * rng.normal(size=moved.shape)
    return beats_of(starts + moved + noise, es_frames), jnp.asarray(k, jnp.float32)


def beats_of(ws, es_frames):
    """These beats, all of which give k_ED→ES."""
    ws, es_frames = jnp.asarray(ws, jnp.float32), np.array(es_frames)
    return Beats.of(ws, es_frames, mean_ed_to_es(ws[:, 0], ws[np.arange(len(ws)), es_frames]))


def kept_of(name, beats):
    """What a row of the table learns from beats; the one heart's is given."""
    row = MOTIONS[name]
    return motions.Own(beats.ws[0, :-1]) if row.fit is None else row.fit(beats)


def go(name, beats, num_frames=T, start=None):
    """Fit a row of the table, and follow it from a start, by default the first beat's."""
    row = MOTIONS[name]
    return row.path(kept_of(name, beats), beats.ws[0, 0] if start is None else start, num_frames)


@pytest.mark.parametrize("name", MOTIONS)
def test_every_motion_starts_at_its_start_and_can_be_scaled(name):
    beats, _ = study([18, 20, 22, 20, 19, 21], jitter=0.05)
    row, start = MOTIONS[name], beats.ws[1, 0]
    kept = kept_of(name, beats)
    assert isinstance(kept, row.kept) and all(array.shape[-2:] == (2, 3) for array in kept)
    offsets = row.path(kept, start, 40)
    assert offsets.shape == (40, 2, 3)
    np.testing.assert_allclose(offsets[0], 0, atol=1e-6)
    farther = row.path(kept.scaled(1.5), start, 40)
    np.testing.assert_allclose(farther, 1.5 * offsets, atol=1e-4)
    elsewhere = row.path(kept, start + 1.0, 40)
    assert row.by_start != np.array_equal(elsewhere, offsets)


@pytest.mark.parametrize("name", ["mean", "fourier", "spline", "polynomial", "aligned"])
def test_models_find_a_beat_that_all_share(name):
    beats, k = study([20] * 5)
    expected = contraction(20)[:, None, None] * np.asarray(k)
    np.testing.assert_allclose(go(name, beats), expected, atol=0.03)


def test_published_goes_by_the_authors_amounts():
    beats, k = study([15, 25])
    amounts = np.concatenate([np.arange(25), np.arange(25)[::-1]]) / 25
    expected = amounts[:, None, None] * np.asarray(k)
    np.testing.assert_allclose(go("published", beats), expected, atol=1e-5)


def test_pca_residual_is_the_papers_cleaning_of_the_mean_steps():
    beats, _ = study([18, 22], jitter=0.1)
    kept = motions.fit_mean_steps(beats)
    cleaned = pca_residual(differences(jnp.mean(beats.ws, axis=0)), 3)
    offsets = motions.pca_residual(kept, beats.ws[0, 0], T, 3)
    np.testing.assert_allclose(differences(offsets), cleaned, atol=1e-4)
    with pytest.raises(ValueError, match="32 components of 19 steps"):
        motions.pca_residual(MeanSteps(kept.steps[:19]), beats.ws[0, 0], T)


def test_beats_whose_es_is_their_ed_are_told_apart():
    beats, _ = study([15, 25])
    beats = dataclasses.replace(beats, es_frames=np.array([0, 25]))
    (es_frame,) = beats.with_es().es_frames
    assert es_frame == 25 and len(beats.with_es().ws) == 1


def test_alignment_brings_every_systole_to_the_mean_frame_and_keeps_its_depth():
    beats, k = study([12, 16, 20, 24, 28])
    together = align_systole(beats.ws, beats.es_frames)
    along = jnp.tensordot(together - together[:, :1], k, axes=2) / jnp.sum(k**2)
    np.testing.assert_array_equal(along.argmax(axis=1), 20)
    np.testing.assert_allclose(along.max(axis=1), 1, atol=1e-5)
    assert retained_motion(differences(go("mean", beats)), k).peak < 0.94
    assert retained_motion(differences(go("aligned", beats)), k).peak > 0.98


@pytest.mark.parametrize("name", ["fourier", "spline", "polynomial", "aligned"])
def test_smooth_models_are_smoother_than_the_mean(name):
    beats, _ = study([20] * 4, jitter=0.3)
    assert roughness(go(name, beats), True) < roughness(go("mean", beats), True) / 2


def test_few_points_stand_for_the_curve_at_any_number_of_frames():
    beats, _ = study([18, 20, 22])
    assert len(motions.fit_aligned(beats).points) == 13
    mean_beat = jnp.mean(align_systole(beats.ws, beats.es_frames), axis=0)
    curve = jnp.tensordot(jnp.asarray(fourier_smoother(T, 64), jnp.float32), mean_beat, axes=1)
    np.testing.assert_allclose(go("aligned", beats, 64), curve - curve[:1], atol=1e-5)


def test_what_depends_on_the_start_is_learned():
    rng = np.random.default_rng(1)
    size = rng.normal(size=30)  # what a start tells of how deep its beat is
    starts = size[:, None, None] * np.array([[0.0, 4.0, 0.0]])
    starts = starts + 0.01 * rng.normal(size=(30, 1, 3))
    k = np.array([[3.0, 0.0, 1.0]])
    depth = 1 + 0.4 * size
    ws = starts[:, None] + (depth[:, None] * contraction(20))[:, :, None, None] * k
    kept = motions.fit_conditioned(beats_of(ws, [20] * 30), rank=1)
    for value in (-1.5, 0.0, 1.5):
        start = jnp.asarray([[0.0, 4.0 * value, 0.0]])
        offsets = motions.conditioned(kept, start, T)
        reached = float(jnp.tensordot(offsets, jnp.asarray(k, jnp.float32), axes=2)[20]) / 10
        assert reached == pytest.approx(1 + 0.4 * value, abs=0.06)


def test_a_start_far_from_all_hearts_moves_as_the_last_of_them():
    beats, _ = study([18, 20, 22, 20, 19, 21], jitter=0.1)
    kept = motions.fit_conditioned(beats, rank=1)
    centre, axis = kept.axes
    along = axis / jnp.sum(jnp.square(axis))
    moves = [motions.conditioned(kept, centre + sd * along, T) for sd in (50, 100)]
    np.testing.assert_allclose(*moves, atol=1e-3)


def test_beats_in_chunks_are_beats_in_one():
    whole, _ = study([18, 20, 22, 20, 19, 21, 20], jitter=0.1)
    whole = dataclasses.replace(whole, es_frames=np.array([18, 20, 22, 20, 19, 21, 0]))
    ws = np.asarray(whole.ws)
    parts = dataclasses.replace(whole, read=lambda: iter([ws[:3], ws[3:4], ws[4:]]))
    for beats in (whole, parts):
        assert len(beats) == 7 and len(beats.with_es()) == 6
        np.testing.assert_array_equal(beats.with_es().ws, ws[:6])
        np.testing.assert_array_equal(beats.spread(3).ws, ws[::3])
        np.testing.assert_array_equal(beats.spread(3).es_frames, [18, 20, 0])
        np.testing.assert_allclose(beats.mean(lambda chunk: chunk.ws), ws.mean(0), atol=1e-6)
    for name in ("mean", "aligned", "conditioned"):
        found, expected = (go(name, beats.with_es()) for beats in (parts, whole))
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_one_row_stands_for_all_that_are_equal():
    beats, _ = study([18, 20, 22, 20, 19, 21], jitter=0.1)
    row = np.asarray(beats.ws)[:, :, :1]
    k = jnp.repeat(beats.ed_to_es[:1], 2, axis=0)
    all_rows = Beats.of(np.repeat(row, 2, axis=2), beats.es_frames, k)
    one = Beats.of(row, beats.es_frames, k)
    start = all_rows.ws[3, 0]
    for name in ("mean", "aligned", "conditioned"):
        found = go(name, one, start=start)
        assert found.shape == (T, 2, 3)
        np.testing.assert_allclose(found, go(name, all_rows, start=start), atol=1e-6)


def test_where_products_would_be_too_large_some_beats_are_learned_from(monkeypatch):
    beats, _ = study([18, 20, 22, 20, 19, 21, 20, 18, 22, 21], jitter=0.1)
    of_all = motions.fit_conditioned(beats)
    of_some = motions.fit_conditioned(beats.spread(5))
    monkeypatch.setattr(motions, "_MOST_BYTES", 5 * 8 * (6 + 13 * 6))
    found = motions.fit_conditioned(beats)
    np.testing.assert_allclose(found.axes, of_some.axes, atol=1e-6)
    assert not np.allclose(found.axes, of_all.axes, atol=1e-2)


def test_too_few_beats_for_the_responses_are_refused():
    beats, _ = study([20, 21, 19, 20])
    with pytest.raises(ValueError, match="3 responses need 5 whole beats or more, got 4"):
        motions.fit_conditioned(beats)
