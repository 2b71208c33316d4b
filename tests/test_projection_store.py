import json
import os
import pathlib
import shutil

import numpy as np
import pytest
import zarr

from gancmri_jax.errors import InputError
from gancmri_jax.projection.parts import parts_of
from gancmri_jax.projection.store import (
    LatentStore,
    Video,
    VideoCodes,
    is_store,
    read_latents,
    read_noise,
    read_videos,
    remove_partial,
)

VIDEOS = [Video(f"s{i}", 2, 0, 1, "records") for i in range(3)]
ZEROS = VideoCodes(
    ws=np.zeros((2, 2, 4), np.float32),
    noise=(np.zeros((2, 4, 4), np.float16),),
    distances=np.zeros(2, np.float32),
    steps=np.zeros(2, int),
    curve=np.zeros((2, 1), np.float32),
)


def open_store(path, **changes):
    return LatentStore.open(path, VIDEOS, (2, 4), [4], {"model": "m", **changes}, 1)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A store of three videos, two of which are projected, to codes that are all zeros."""
    path = tmp_path_factory.mktemp("store") / "z.zarr"
    store = open_store(path)
    for video in (0, 2):
        store.write(video, [0, 1], ZEROS)
    store.flag_far(None)
    return path


@pytest.fixture
def path(written, tmp_path):
    return shutil.copytree(written, tmp_path / "z.zarr")


def test_it_comes_whole_and_alone(path):
    assert [p.name for p in path.parent.iterdir()] == ["z.zarr"]
    assert read_latents(path)[0].subjects == ["s0", "s2"]
    assert read_videos(path) == VIDEOS


def test_a_lost_chunk_of_zeros_is_no_zeros(path):
    shutil.rmtree(path / "ws" / "c" / "0")
    done = path / "done" / "c" / "0"
    match = f"ws of videos 0 to 2 is missing; .* remove {done} and .*, which redoes videos 0 to 2"
    with pytest.raises(InputError, match=match):
        read_latents(path)
    done.unlink()  # as it says
    with pytest.raises(InputError, match="lost track of videos"):
        read_latents(path)
    store = open_store(path)
    assert store.done.tolist() == [False] * 3
    for video in (0, 2):
        store.write(video, [0, 1], ZEROS)
    store.flag_far(None)
    assert read_latents(path)[0].subjects == ["s0", "s2"]


def test_lost_noise_and_a_lost_table_are_known(path):
    shutil.rmtree(path / "noise_00" / "c" / "0")
    with pytest.raises(InputError, match="noise_00 of videos 0 to 2 is missing"):
        read_noise(path, 0)
    (path / "subject" / "c" / "0").unlink()
    with pytest.raises(InputError, match="subject is missing; .* remove it and project again"):
        read_videos(path)


def test_a_flipped_bit_is_known_by_video(path):
    chunk = path / "valid" / "c" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[-6] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(InputError, match="valid cannot be read .* which redoes videos 0 to 2"):
        read_latents(path)


def test_what_is_said_of_the_codes_cannot_be_changed(path):
    said = path / "zarr.json"
    text = said.read_text()
    assert '"m"' in text
    said.write_text(text.replace('"m"', '"n"'))
    with pytest.raises(InputError, match=r"what a zarr.json in it says has changed"):
        read_latents(path)


def test_a_store_without_its_arrays_is_known_as_incomplete(path):
    shutil.rmtree(path / "ws")
    with pytest.raises(InputError, match=r"z.zarr: is damaged: "):
        open_store(path)
    root = json.loads((path / "zarr.json").read_text())
    del root["attributes"]["sha256"]  # as an earlier version left one behind
    (path / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(InputError, match=r"it is incomplete, without ws; restore .* or remove it"):
        open_store(path)


def codes_like(seed, frames=2):
    rng = np.random.default_rng(seed)
    return VideoCodes(
        ws=np.repeat(rng.normal(size=(frames, 1, 4)), 2, axis=1).astype(np.float32),
        noise=(rng.normal(size=(frames, 4, 4)).astype(np.float16),),
        distances=rng.random(frames).astype(np.float32),
        steps=np.full(frames, 7),
        curve=rng.random((frames, 1)).astype(np.float32),
    )


def test_what_is_not_packed_is_read_and_survives_a_stop_at_any_point(tmp_path, monkeypatch):
    path = tmp_path / "z.zarr"
    store = open_store(path)
    for video in (2, 0):
        store.write(video, [0, 1], codes_like(video))
    before = read_latents(path)[0]
    assert before.subjects == ["s0", "s2"]
    np.testing.assert_allclose(before.ws[1], codes_like(2).ws, rtol=1e-3)
    store.pack(whole=True)  # video 1 is missing
    assert sorted(parts_of(path)) == [0, 2]

    unlink = pathlib.Path.unlink

    def stop(self, **_):
        if self.suffix == ".npz":
            raise KeyboardInterrupt
        unlink(self, **_)

    monkeypatch.setattr(pathlib.Path, "unlink", stop)
    with pytest.raises(KeyboardInterrupt):
        store.pack()
    monkeypatch.undo()
    assert sorted(parts_of(path)) == [0, 2]
    for _ in range(2):
        again = read_latents(path)[0]
        np.testing.assert_array_equal(again.ws, before.ws)
        np.testing.assert_array_equal(read_noise(path, 1)[0], codes_like(2).noise[0])
        store.pack()
    assert not parts_of(path)
    store.write(1, [0, 1], codes_like(1))
    store.pack(whole=True)  # not of parts alone
    assert sorted(parts_of(path)) == [1]
    store.flag_far(None)
    assert read_latents(path)[0].subjects == ["s0", "s1", "s2"]
    np.testing.assert_array_equal(read_latents(path, slice(2, 3))[0].ws, before.ws[1:])


def test_a_damaged_part_is_known(tmp_path):
    path = tmp_path / "z.zarr"
    open_store(path).write(1, [0, 1], codes_like(1))
    part = parts_of(path)[1]
    content = bytearray(part.read_bytes())
    content[120] ^= 1
    part.write_bytes(content)
    with pytest.raises(InputError, match=r"000001.npz: is damaged .* which redoes video 1$"):
        read_latents(path)


def test_one_row_and_no_noise_take_little(tmp_path):
    """As a whole study in W: 50 frames of 512 numbers a video, in some hundred files."""
    videos = [Video(f"s{i}", 50, 0, 20, "records") for i in range(260)]
    path = tmp_path / "z.zarr"
    store = LatentStore.open(path, videos, (14, 512), [], {}, 20, one_row=True)
    rng = np.random.default_rng(0)
    for video in range(260):
        ws = np.repeat(rng.normal(size=(50, 1, 512)).astype(np.float32), 14, axis=1)
        curve = rng.random((50, 20)).astype(np.float32)
        found = VideoCodes(ws, (), curve[:, -1], np.full(50, 1000), curve)
        store.write(video, list(range(50)), found)
        store.pack(whole=True)
        assert len(parts_of(path)) < 256
    store.flag_far(None)
    codes = read_latents(path, slice(250, 251))[0]
    assert codes.ws.shape == (1, 50, 14, 512) and codes.subjects == ["s250"]
    np.testing.assert_array_equal(codes.ws[0, :, 13], ws_of := codes.ws[0, :, 0])
    assert np.isfinite(ws_of).all() and read_noise(path, 250) == []
    files = [file for file in path.rglob("*") if file.is_file()]
    whole_study = 45_531 / 260
    assert sum(file.stat().st_size for file in files) * whole_study < 4e9
    assert len(files) * whole_study < 10_000
    with pytest.raises(InputError, match="begun without noise maps; leave out --keep-noise"):
        LatentStore.open(path, videos, (14, 512), [4], {}, 20)


def test_a_code_beyond_half_precision_is_not_projected(tmp_path):
    store = open_store(tmp_path / "z.zarr")
    store.write(
        0,
        [0, 1],
        codes_like(0)._replace(ws=np.array([1.0, 1e6])[:, None, None] * np.ones((2, 2, 4))),
    )
    codes, _ = read_latents(tmp_path / "z.zarr")
    assert codes.valid.tolist() == [[True, False]] and np.isnan(codes.distances[0, 1])


def test_a_store_of_an_earlier_version_may_leave_zeros_out(path):
    group = zarr.open_group(path, mode="r+")
    del group.attrs["sha256"]
    shutil.rmtree(path / "ws" / "c" / "0")
    assert (read_latents(path)[0].ws == 0).all()
    open_store(path).write(1, [0, 1], ZEROS)
    open_store(path).flag_far(None)
    assert "sha256" not in zarr.open_group(path, mode="r").attrs
    assert read_latents(path)[0].subjects == ["s0", "s1", "s2"]


def test_what_killed_processes_left_is_removed_and_other_files_are_not(path):
    left = [".z.zarr.partial", ".z.zarr.0a1b2c3d.partial"]
    for name in left:
        (path.parent / name / "ws").mkdir(parents=True)
    (path.parent / ".z.zarr.lock").touch()
    remove_partial(path)
    assert sorted(p.name for p in path.parent.iterdir()) == [".z.zarr.lock", "z.zarr"]


def test_who_makes_a_store_a_moment_later_takes_the_other(tmp_path, monkeypatch):
    path = tmp_path / "z.zarr"
    replace = os.replace

    def be_overtaken(source, target):
        monkeypatch.setattr(os, "replace", replace)
        open_store(path).write(0, [0, 1], ZEROS)
        replace(source, target)

    monkeypatch.setattr(os, "replace", be_overtaken)
    store = open_store(path)
    assert store.done.tolist() == [True, False, False]
    assert [p.name for p in tmp_path.iterdir()] == ["z.zarr"] and is_store(path)
