import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from gancmri_jax.cine.video_file import (
    magnify,
    tile,
    write_contact_sheet,
    write_gif,
    write_mp4,
    write_png,
)


@pytest.fixture
def frames():
    """Smooth frames, each of another mean."""
    ramp = np.linspace(0, 100, 40)
    return np.stack([ramp[:, None] + ramp + 10 * t for t in range(5)]).astype(np.uint8)


def test_mp4_holds_every_frame_at_its_time(tmp_path, frames):
    path = tmp_path / "a.mp4"
    write_mp4(path, frames, 40.0)
    video = iio.imread(path, plugin="pyav")
    assert video.shape == (5, 280, 280, 3)  # seven times 40 is the first multiple from 256 on
    assert iio.immeta(path, plugin="pyav")["fps"] == 25
    assert np.abs(video[..., 0].mean(axis=(1, 2)) - frames.mean(axis=(1, 2))).max() < 2


def test_mp4_of_a_whole_beat_keeps_its_time(tmp_path):
    """An encoder holds the first forty frames back, and writes the header before the others."""
    path = tmp_path / "a.mp4"
    means = np.arange(50, dtype=np.uint8) * 4
    write_mp4(path, np.broadcast_to(means[:, None, None], (50, 64, 64)), 18.5)
    video = iio.imread(path, plugin="pyav")
    assert np.abs(video.mean(axis=(1, 2, 3)) - means).max() < 2
    assert iio.immeta(path, plugin="pyav")["fps"] == pytest.approx(1000 / 18.5, rel=1e-4)


def test_odd_sides_gain_a_row_and_a_column(tmp_path):
    path = tmp_path / "a.mp4"
    write_mp4(path, np.zeros((2, 257, 301), np.uint8), 20.0)
    assert iio.improps(path, plugin="pyav").shape == (2, 258, 302, 3)


def test_gif_repeats_with_its_frame_time(tmp_path, frames):
    path = tmp_path / "a.gif"
    write_gif(path, frames, 33.0)
    with Image.open(path) as gif:
        assert (gif.n_frames, gif.info["duration"], gif.info["loop"]) == (5, 30, 0)


def test_contact_sheet_reads_row_by_row(tmp_path):
    frames = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 3), np.uint8)
    write_contact_sheet(tmp_path / "a.png", frames, columns=3)
    sheet = np.asarray(Image.open(tmp_path / "a.png"))
    assert sheet.shape == (4, 9)
    np.testing.assert_array_equal(sheet[::2, ::3], [[0, 1, 2], [3, 4, 0]])


def test_tiles_fill_rows_and_end_black():
    frames = np.array([1, 2, 3], np.uint8)[:, None, None] * np.ones((1, 1, 2), np.uint8)
    np.testing.assert_array_equal(tile(frames, 2), [[1, 1, 2, 2], [3, 3, 0, 0]])


@pytest.mark.parametrize(
    "name, write",
    [
        ("a.mp4", lambda path, frames: write_mp4(path, frames, 40.0)),
        ("a.gif", lambda path, frames: write_gif(path, frames, 40.0)),
        ("a.png", write_contact_sheet),
    ],
)
def test_a_write_that_fails_leaves_what_was_there(tmp_path, frames, monkeypatch, name, write):
    path = tmp_path / name
    path.write_bytes(b"earlier")

    def full(part, _):
        assert part.suffix == path.suffix and part.stat().st_size
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", full)
        with pytest.raises(OSError, match="no space left"):
            write(path, frames)
    assert path.read_bytes() == b"earlier" and list(tmp_path.iterdir()) == [path]
    write(path, frames)
    assert path.read_bytes() != b"earlier" and list(tmp_path.iterdir()) == [path]


def test_large_frames_are_not_magnified():
    frames = np.zeros((1, 256, 300), np.uint8)
    assert magnify(frames) is frames


def test_coloured_frames_keep_their_colours(tmp_path):
    frames = np.zeros((3, 40, 50, 3), np.uint8)
    frames[..., 0] = 200
    write_mp4(tmp_path / "red.mp4", frames, 40.0)
    read = iio.imread(tmp_path / "red.mp4", plugin="pyav")
    assert read.shape == (3, 280, 350, 3)  # magnified sevenfold
    np.testing.assert_allclose(read.mean(axis=(0, 1, 2)), [200, 0, 0], atol=6)
    write_png(tmp_path / "red.png", frames[0])
    np.testing.assert_array_equal(iio.imread(tmp_path / "red.png"), frames[0])
