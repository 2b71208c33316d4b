import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.fitting.motion import fit_motion, motion_figures
from gancmri_jax.latents.codes import Codes, concatenate
from gancmri_jax.latents.motions import Aligned, Conditioned, MeanSteps


def make_codes(ws, ed=0, es=1, subjects=None):
    """Codes [video frame 1 1] from plain numbers, all valid."""
    ws = np.array(ws, np.float32)[:, :, None, None]
    videos, frames = ws.shape[:2]
    return Codes(
        ws=ws,
        valid=np.ones((videos, frames), bool),
        distances=np.zeros((videos, frames), np.float32),
        num_frames=np.full(videos, frames),
        ed_frame=np.full(videos, ed),
        es_frame=np.full(videos, es),
        subjects=subjects or [f"s{v}" for v in range(videos)],
    )


def test_studies_of_unequal_length_are_padded_as_invalid():
    joined = concatenate([make_codes([[1, 2]]), make_codes([[3, 4, 5]], subjects=["other"])])
    assert joined.ws.shape == (2, 3, 1, 1) and list(joined.valid[0]) == [True, True, False]
    assert list(joined.num_frames) == [2, 3]


def test_a_subject_counts_from_the_first_study_that_has_it():
    first = make_codes([[1, 2], [3, 4]], subjects=["a", "a"])
    second = make_codes([[5, 6], [7, 8]], subjects=["b", "a"])
    joined = concatenate([first, second])
    assert joined.subjects == ["a", "a", "b"]
    np.testing.assert_array_equal(joined.ws[:, 0, 0, 0], [1, 3, 5])


def test_motion_by_hand():
    codes = make_codes([[0, 4, 2, 1], [10, 16, 14, 11]])
    motion, counts, *_ = fit_motion(codes, num_frames=4)
    np.testing.assert_allclose(motion.ed_to_es, [[5]])
    np.testing.assert_allclose(motion.of(MeanSteps).steps[:, 0, 0], [5, -2, -2])
    assert counts == {"ed_to_es": 2, "frame_to_frame": 2, "aligned": 2}


def test_a_video_of_other_length_is_read_round_its_beat():
    motion = fit_motion(make_codes([[0, 4, 8, 4]], es=2), num_frames=8).motion
    steps = motion.of(MeanSteps).steps[:, 0, 0]
    np.testing.assert_allclose(steps, [2, 2, 2, 2, -2, -2, -2])


def test_the_beat_starts_at_the_ed_frame():
    motion = fit_motion(make_codes([[4, 2, 0, 7]], ed=2, es=0), num_frames=4).motion
    np.testing.assert_allclose(motion.of(MeanSteps).steps[:, 0, 0], [7, -3, -2])


def test_videos_with_pairs_only_count_for_ed_to_es_alone():
    pairs = make_codes([[0, 8, 0, 0]], subjects=["pair"])
    whole = make_codes([[0, 4, 2, 1]])
    pairs.valid[0, 2:] = False
    motion, counts, *_ = fit_motion(concatenate([pairs, whole]), num_frames=4)
    np.testing.assert_allclose(motion.ed_to_es, [[6]])
    np.testing.assert_allclose(motion.of(MeanSteps).steps[:, 0, 0], [4, -2, -1])
    assert counts == {"ed_to_es": 2, "frame_to_frame": 1, "aligned": 1}


def test_no_pair_is_an_error():
    codes = make_codes([[0, 1]])
    codes.valid[0, 1] = False
    with pytest.raises(InputError, match="ED and its ES"):
        fit_motion(codes)


def wave(num_frames, es_frame, depth):
    """A beat of plain numbers that goes to `depth` by its ES frame, and back."""
    frames = np.arange(num_frames)
    there, back = frames / es_frame, (num_frames - frames) / (num_frames - es_frame)
    return depth * np.sin(np.pi / 2 * np.where(frames <= es_frame, there, back)) ** 2


def test_systole_is_brought_together_before_averaging():
    beats = [wave(40, es, 1.0) for es in (12, 16, 20)]
    codes = make_codes(beats)
    codes.es_frame[:] = [12, 16, 20]
    motion, counts, *_ = fit_motion(codes, 40)
    figures = motion_figures(motion, 40)
    assert counts["aligned"] == 3 and "conditioned" not in counts
    assert figures["aligned"].peak > figures["mean"].peak + 0.03
    assert figures["aligned"].frame == 16
    assert figures["published"].peak == pytest.approx(0.95)  # 19/20, by frame 19
    assert figures["mean"].closure == pytest.approx(abs(beats[1][-1]) * 40 / 2, rel=0.5)


def test_the_fit_learns_how_the_beat_depends_on_its_start():
    starts = np.linspace(-1, 1, 9)
    codes = make_codes([s + wave(40, 16, 2.0 + s) for s in starts], es=16)
    motion, counts, *_ = fit_motion(codes, 40)
    assert counts["conditioned"] == 9
    kept = motion.of(Conditioned)
    assert kept.responses.shape == (3, 13, 1, 1) and kept.axes.shape == (4, 1, 1)
    np.testing.assert_array_equal(kept.points, motion.of(Aligned).points)


def test_a_heart_whose_es_is_its_ed_does_not_disturb_alignment():
    codes = make_codes([wave(20, 8, 1.0), wave(20, 8, 1.0)], es=8)
    codes.es_frame[1] = 0
    assert fit_motion(codes, 20).counts["aligned"] == 1


def test_too_few_frames_leave_out_the_papers_cleaning():
    motion = fit_motion(make_codes([wave(20, 8, 1.0)], es=8), 20).motion
    assert "pca_residual" not in motion_figures(motion, 20)
    motion = fit_motion(make_codes([wave(40, 16, 1.0)], es=16), 40).motion
    assert "pca_residual" in motion_figures(motion, 40)
