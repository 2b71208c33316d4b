import json
import os
import shutil

import numpy as np
import pytest
import zarr

from gancmri_jax.errors import InputError
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
    shutil.rmtree(path / "ws" / "c" / "2")
    done = path / "done" / "c" / "2"
    with pytest.raises(InputError, match=f"ws of video 2 is missing; .* remove {done} and run"):
        read_latents(path)
    done.unlink()  # as it says
    with pytest.raises(InputError, match="lost track of videos"):
        read_latents(path)
    store = open_store(path)
    assert store.done.tolist() == [True, False, False]
    store.write(2, [0, 1], ZEROS)
    store.flag_far(None)
    assert read_latents(path)[0].subjects == ["s0", "s2"]


def test_lost_noise_and_a_lost_table_are_known(path):
    shutil.rmtree(path / "noise_00" / "c" / "0")
    assert read_noise(path, 1)[0].shape == (2, 4, 4)
    with pytest.raises(InputError, match="noise_00 of video 0 is missing"):
        read_noise(path, 0)
    (path / "subject" / "c" / "0").unlink()
    with pytest.raises(InputError, match="subject is missing; .* remove it and project again"):
        read_videos(path)


def test_a_flipped_bit_is_known_by_video(path):
    chunk = path / "valid" / "c" / "2" / "0"
    content = bytearray(chunk.read_bytes())
    content[-6] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(InputError, match="valid cannot be read .* which redoes video 2"):
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


def test_a_store_of_an_earlier_version_may_leave_zeros_out(path):
    group = zarr.open_group(path, mode="r+")
    del group.attrs["sha256"]
    shutil.rmtree(path / "ws" / "c" / "2")
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
