import numpy as np
import pytest

from gancmri_jax.apps.reader_study.stimuli import alike, draw_cines, is_lossy, one_frame
from gancmri_jax.cine.cine import Cine
from gancmri_jax.errors import InputError
from tests.readers import write_gifs, write_niftis


def cine_of(levels, ed_frame=0):
    """Frames whose top half is a level of their own, between black and white pixels."""
    pixels = np.zeros((len(levels), 8, 8), np.int16)
    pixels[:, :4] = np.array(levels)[:, None, None]
    pixels[:, 7] = 1000
    return Cine(pixels, (1.0, 1.0), None, "a", ed_frame)


def levels_of(frames):
    return [round(int(frame[0, 0]) * 1000 / 255, -2) for frame in frames]


def test_frames_are_picked_evenly_and_never_blended():
    """Frame ⌊i·T/N⌋ of T for each of N: of six, 0 2 4 for three and 0 1 3 4 for four."""
    cine = cine_of([0, 100, 200, 300, 400, 500])
    assert levels_of(alike(cine, 8, 3)) == [0, 200, 400]
    assert levels_of(alike(cine, 8, 4)) == [0, 100, 300, 400]
    assert levels_of(alike(cine, 8, 6)) == [0, 100, 200, 300, 400, 500]


def test_a_beat_begins_at_ed():
    assert levels_of(alike(cine_of([0, 100, 200, 300], ed_frame=3), 8, 4)) == [300, 0, 100, 200]


def test_whatever_the_file_holds_the_range_and_the_size_are_the_same():
    rng = np.random.default_rng(0)
    for scale, shape in ((1.0, (5, 20, 20)), (4000.0, (9, 30, 24))):
        cine = Cine(scale * rng.random(shape), (1.0, 1.0), None, "a")
        shown = alike(cine, 20, 5)
        assert shown.shape == (5, 20, 20) and shown.dtype == np.uint8
        assert shown.min() == 0 and shown.max() == 255


def test_a_frame_is_windowed_by_itself():
    cine = cine_of([100, 500])
    cine.pixels[1, 7] = 500
    shown = alike(one_frame(cine, 1), 8, 1)
    assert shown.shape == (1, 8, 8) and shown[0, 0, 0] == 255  # not half of the brightest


def test_one_cine_a_subject_in_an_order_of_the_seeds(tmp_path):
    write_gifs(tmp_path, 6, side=64, frames=3)
    write_niftis(tmp_path, 2, frames=3, name="fake")  # beside GIFs of the same names
    drawn = [
        [cine.subject for cine in draw_cines(tmp_path, np.random.default_rng(seed), pytest.fail)]
        for seed in (0, 0, 1)
    ]
    assert sorted(drawn[0]) == [f"fake{i:03d}" for i in range(6)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_what_cannot_be_read_is_told_and_passed_over(tmp_path):
    write_niftis(tmp_path, 2)
    (tmp_path / "broken.nii.gz").write_text("broken")
    refused = []
    found = list(draw_cines(tmp_path, np.random.default_rng(0), refused.append, keep_ids=True))
    assert len(found) == 2 and [r.path.name for r in refused] == ["broken.nii.gz"]


def test_only_what_is_asked_for_is_read(tmp_path):
    write_niftis(tmp_path, 1)
    (tmp_path / "broken.nii.gz").write_text("broken")
    for seed in range(5):
        refused = []
        next(draw_cines(tmp_path, np.random.default_rng(seed), refused.append))
        if not refused:
            return
    pytest.fail("the broken file was read before the sound one in every order")


def test_compressed_videos_are_known(tmp_path):
    write_gifs(tmp_path / "gifs", 1)
    assert not is_lossy(tmp_path / "gifs")
    (tmp_path / "gifs" / "heart.mp4").touch()
    assert is_lossy(tmp_path / "gifs") and is_lossy(tmp_path / "gifs" / "heart.mp4")


def test_no_contrast_is_refused():
    with pytest.raises(InputError, match="no contrast"):
        alike(Cine(np.zeros((2, 8, 8)), (1.0, 1.0), None, "a"), 8, 2)
