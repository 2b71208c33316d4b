import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.errors import InputError
from gancmri_jax.metrics.sets import CineSet, CodedSet, GeneratedSet, clips
from gancmri_jax.model.motion import Motion
from tests.tiny import tiny_model


def cine(value, frames=4, size=8, dtype=np.uint8):
    pixels = np.full((frames, size, size), value, dtype)
    pixels[:, 0, 0] = np.arange(frames)
    return Cine(pixels, (1.0, 1.0), 30.0, f"s{value}")


def test_frames_are_drawn_without_replacement_and_by_seed():
    source = CineSet("x", [cine(10), cine(20, frames=6)])
    assert (source.num_frames, source.num_videos, source.size) == (10, 2, (8, 8))
    every = {(int(f[1, 1]), int(f[0, 0])) for f in source.frames(10, seed=0)}
    assert every == {(10, i) for i in range(4)} | {(20, i) for i in range(6)}
    some = [f.tobytes() for f in source.frames(5, seed=1)]
    assert some == [f.tobytes() for f in source.frames(5, seed=1)] and len(set(some)) == 5
    assert some != [f.tobytes() for f in source.frames(5, seed=2)]


def test_content_has_a_digest():
    assert CineSet("x", [cine(1)]).digest == CineSet("y", [cine(1)]).digest
    assert CineSet("x", [cine(1)]).digest != CineSet("x", [cine(2)]).digest


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InputError, match=r"one size, has \[\(8, 8\), \(9, 9\)\]"):
        CineSet("x", [cine(1), cine(1, size=9)])
    with pytest.raises(InputError, match="has none"):
        CineSet("x", [])
    with pytest.raises(InputError, match=r"float32, and metrics are taken over bytes"):
        CineSet("x", [cine(0, dtype=np.float32)])


def test_a_model_makes_any_number_the_same_ones_first():
    source = GeneratedSet("m", tiny_model(), Motion(num_frames=5))
    frames = list(source.frames(20, seed=0))
    assert len(frames) == 20 and frames[0].shape == (16, 16) and frames[0].dtype == np.uint8
    np.testing.assert_array_equal(frames[:3], list(source.frames(3, seed=0)))
    assert [v.shape for v in source.videos(2)] == [(5, 16, 16)] * 2


def test_codes_are_rendered_with_their_own_noise():
    model = tiny_model()
    ws = np.asarray(model.beat(model.sample(0))[:3])
    noise = [np.repeat(np.asarray(level), 3, axis=0) for level in model.noise]
    source = CodedSet("store", model, [(ws, noise)])
    (video,) = source.videos(1)
    expected = np.clip(np.rint((np.asarray(model.synthesize(ws))[..., 0] + 1) * 127.5), 0, 255)
    assert np.abs(video.astype(int) - expected).max() <= 1
    assert [f.tobytes() for f in source.frames(3, 0)] == [f.tobytes() for f in video]
    other = CodedSet("store", model, [(ws, [level + 1 for level in noise])])
    assert other.digest != source.digest


def test_clips_are_equally_spaced_or_consecutive():
    videos = [cine(0, frames=50).pixels]
    (equal,) = clips(iter(videos), 16, "equispaced", seed=0)
    np.testing.assert_array_equal(equal[:5, 0, 0], [0, 3, 6, 9, 12])
    (near,) = clips(iter(videos), 16, "consecutive", seed=0)
    np.testing.assert_array_equal(np.diff(near[:, 0, 0].astype(int)), np.ones(15))
    with pytest.raises(InputError, match="has 4 frames, and clips take 16"):
        list(clips(iter([cine(0).pixels]), 16, "equispaced", seed=0))


def test_another_first_seed_makes_other_hearts():
    model, motion = tiny_model(), Motion(num_frames=5)
    first, later = (GeneratedSet("m", model, motion, first_seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(list(first.videos(2))[1], next(later.videos(1)))
    assert first.digest != later.digest
