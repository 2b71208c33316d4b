import math
from fractions import Fraction

import av
import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.pictures import UNKNOWN_MM, blank, read_pngs, read_video
from gancmri_jax.cine.video_file import write_gif
from gancmri_jax.errors import InputError

HEIGHT, WIDTH = 256, 264


@pytest.fixture
def frames():
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] / 256
    return np.stack([60 + 30 * i + 40 * rows + 20 * columns for i in range(4)]).astype(np.uint8)


def test_mp4_is_read_in_display_orientation_with_its_time_step(tmp_path, frames):
    rgb = np.repeat(frames[..., None], 3, -1)
    iio.imwrite(tmp_path / "a.mp4", rgb, plugin="pyav", codec="libx264", fps=25)
    cine = read_video(tmp_path / "a.mp4", "heart")
    assert cine.pixels.shape == frames.shape and cine.frame_ms == 40
    assert np.abs(cine.pixels.astype(int) - frames).mean() < 2
    assert all(math.isnan(mm) for mm in cine.spacing_mm)


def test_gif_keeps_its_pixels_and_its_time_step(tmp_path, frames):
    write_gif(tmp_path / "a.gif", frames, frame_ms=50)
    cine = read_video(tmp_path / "a.gif", "heart")
    np.testing.assert_array_equal(cine.pixels, frames)
    assert cine.frame_ms == 50


def test_pngs_are_in_the_order_of_their_numbers(tmp_path):
    for i in (2, 10, 1):
        Image.fromarray(np.full((3, 4), 1000 * i, np.uint16)).save(tmp_path / f"f{i}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    cine = read_pngs(tmp_path, "heart")
    assert cine.pixels[:, 0, 0].tolist() == [1000, 2000, 10000]  # 16 bits stay


def test_colours_become_grey(tmp_path):
    for i in range(2):
        Image.new("RGB", (4, 3), (255, 0, 0)).save(tmp_path / f"{i}.png")
    assert read_pngs(tmp_path, "heart").pixels[0, 0, 0] == 76  # 0.299 × 255


def test_rectangles_are_blanked(frames):
    cine = Cine(frames, UNKNOWN_MM, None, "heart")
    blanked = blank(cine, [(0, 0, 10, 20), (250, 260, 256, 264)]).pixels
    assert (blanked[:, :10, :20] == frames.min()).all() and (blanked[:, 250:, 260:] == 60).all()
    changed = blanked != frames
    assert not changed[:, 10:250].any() and not changed[:, :10, 20:].any()
    assert (cine.pixels == frames).all()
    for box in ((0, 0, 257, 1), (5, 5, 5, 6), (-1, 0, 2, 2)):
        with pytest.raises(InputError, match="--mask-box"):
            blank(cine, [box])


def test_what_is_no_cine_is_refused(tmp_path, frames, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    write_gif(tmp_path / "whole.gif", frames, 50)
    (tmp_path / "b.gif").write_bytes((tmp_path / "whole.gif").read_bytes()[:2000])
    write_gif(tmp_path / "one.gif", frames[:1], 50)
    for name, reason in (("a.mp4", "no video"), ("b.gif", "no video"), ("one.gif", "single")):
        with pytest.raises(InputError, match=f"{name}: is .*{reason}"):
            read_video(tmp_path / name, "heart")
    monkeypatch.setattr("gancmri_jax.cine.pictures.MOST_FRAMES", 3)
    with pytest.raises(InputError, match="no heartbeat"):
        read_video(tmp_path / "whole.gif", "heart")


def test_pngs_that_are_no_cine_are_refused(tmp_path):
    Image.new("L", (4, 3)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="single picture"):
        read_pngs(tmp_path, "heart")
    Image.new("L", (5, 3)).save(tmp_path / "b.png")
    with pytest.raises(InputError, match="several sizes"):
        read_pngs(tmp_path, "heart")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    with pytest.raises(InputError, match="picture 1 "):
        read_pngs(tmp_path, "heart")


def test_a_picture_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for i in range(2):
        Image.new("L", (11, 11)).save(tmp_path / f"{i}.png")
    with pytest.raises(InputError, match="DecompressionBomb"):
        read_pngs(tmp_path, "heart")


def test_a_gif_keeps_equal_neighbours_and_merged_ones_are_told_apart_again(tmp_path, frames):
    beat = frames[[0, 1, 2, 3, 3, 3, 3, 0]]
    write_gif(tmp_path / "ours.gif", beat, 33.3)
    first, *rest = [Image.fromarray(frame) for frame in beat]
    first.save(tmp_path / "merged.gif", save_all=True, append_images=rest, duration=40, loop=0)
    with Image.open(tmp_path / "merged.gif") as merged:
        assert merged.n_frames == 5
    for name, frame_ms in (("ours", 270 / 8), ("merged", 40)):
        cine = read_video(tmp_path / f"{name}.gif", "heart")
        np.testing.assert_array_equal(cine.pixels, beat)
        assert cine.frame_ms == frame_ms and not cine.notes


def test_uneven_videos_have_their_mean_time(tmp_path, frames):
    pictures = [Image.fromarray(frame) for frame in frames]
    durations = [20, 60, 20, 60]
    pictures[0].save(
        tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=durations, loop=0
    )
    with av.open(str(tmp_path / "a.mp4"), "w") as film:
        stream = film.add_stream("libx264", rate=50)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time_ms, frame in zip((0, 20, 80, 100), frames, strict=True):
            picture = av.VideoFrame.from_ndarray(np.repeat(frame[..., None], 3, -1))
            picture.pts, picture.time_base = time_ms, Fraction(1, 1000)
            film.mux(stream.encode(picture))
        film.mux(stream.encode())
    for name, mean_ms in (("a.gif", 40), ("a.mp4", 100 / 3)):
        cine = read_video(tmp_path / name, "heart")
        assert cine.frame_ms == pytest.approx(mean_ms, rel=1e-3) and len(cine.pixels) == 4
        assert cine.notes[0].startswith("frames are uneven in time: 20 to 60 ms")
