import dataclasses
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.errors import InputError
from gancmri_jax.projection.cines import describe, frame_key, frames_of, project_study
from gancmri_jax.projection.projector import Settings
from gancmri_jax.projection.store import read_latents, read_noise, read_quality
from tests.tiny import tiny_model

ROOT = pathlib.Path(__file__).parents[1]
SETTINGS = Settings(num_steps=2)


@pytest.fixture(scope="module")
def model():
    return tiny_model(resolution=8)


def make_cine(subject, frames, es_frame=None):
    rng = np.random.default_rng(len(subject) + frames)
    pixels = rng.integers(0, 256, (frames, 8, 8)).astype(np.uint8)
    return Cine(pixels, (1.0, 1.0), 20.0, subject, es_frame=es_frame)


def changed_by_a_pixel(cine):
    pixels = cine.pixels.copy()
    pixels[-1, 0, 0] ^= 1
    return dataclasses.replace(cine, pixels=pixels)


CINES = [make_cine("a", 3, es_frame=2), make_cine("bb", 4)]


def test_where_es_comes_from():
    assert (describe(CINES[0]).es_frame, describe(CINES[0]).es_source) == (2, "records")
    pixels = np.zeros((4, 8, 8), np.uint8)
    pixels[1], pixels[2], pixels[3] = 10, 30, 20
    bare = Cine(pixels, (1.0, 1.0), None, "c")
    described = describe(bare)
    assert (described.es_frame, described.es_source) == (2, "distance")
    described = describe(dataclasses.replace(bare, es_frame=1), lambda cine: (3, "segmenter"))
    assert (described.es_frame, described.es_source) == (3, "segmenter")
    with pytest.raises(InputError, match=r"c: ES frame 4 \(phenotypes\) is none of its 4 frames"):
        describe(bare, lambda cine: (4, "phenotypes"))


def test_which_frames():
    video = describe(CINES[0])
    assert frames_of(video, "all") == [0, 1, 2]
    assert frames_of(video, "ed-es") == [0, 2]
    assert frames_of(video, "ed") == [0]


def test_a_frames_key_is_its_own():
    assert frame_key(0, "a#0", 1) == frame_key(0, "a#0", 1)
    others = [frame_key(1, "a#0", 1), frame_key(0, "b#0", 1), frame_key(0, "a#0", 2)]
    assert all(frame_key(0, "a#0", 1) != other for other in others)


def test_the_store_holds_what_was_found_whatever_the_batch_size(model, tmp_path):
    found = {}
    for batch_size in (2, 7):
        out = tmp_path / f"{batch_size}.zarr"
        counted = []
        project_study(model, CINES, out, SETTINGS, batch_size=batch_size, on_steps=counted.append)
        assert sum(counted) == 7 * SETTINGS.num_steps
        found[batch_size] = read_latents(out)[0]
    codes = found[2]
    np.testing.assert_allclose(codes.ws, found[7].ws, rtol=1e-4, atol=1e-4)
    assert codes.subjects == ["a", "bb"]
    np.testing.assert_array_equal(codes.valid, [[1, 1, 1, 0], [1, 1, 1, 1]])
    np.testing.assert_array_equal(codes.num_frames, [3, 4])
    assert np.isnan(codes.distances[0, 3]) and np.isfinite(codes.distances[codes.valid]).all()
    noise = read_noise(tmp_path / "2.zarr", 1)
    assert [level.shape for level in noise] == [(4, 4, 4), (4, 8, 8), (4, 8, 8)]


def test_a_rerun_does_what_is_missing_and_nothing_else(model, tmp_path):
    out, whole = tmp_path / "z.zarr", tmp_path / "whole.zarr"

    class Stop(Exception):
        pass

    def stop_later(steps, taken=[0]):  # noqa: B006
        taken[0] += steps
        if taken[0] > 5 * SETTINGS.num_steps:
            raise Stop

    with pytest.raises(Stop):
        project_study(model, CINES, out, SETTINGS, batch_size=1, on_steps=stop_later)
    assert read_latents(out)[0].subjects == ["a"]
    started, counted = [], []
    for _ in range(2):
        project_study(
            model,
            CINES,
            out,
            SETTINGS,
            batch_size=1,
            on_start=lambda todo, done: started.append((todo, done)),
            on_steps=counted.append,
        )
    assert started == [(4, 3), (0, 7)]
    assert sum(counted) == 4 * SETTINGS.num_steps
    project_study(model, CINES, whole, SETTINGS, batch_size=1)
    np.testing.assert_array_equal(read_latents(out)[0].ws, read_latents(whole)[0].ws)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cines": CINES[:1]}, "other videos"),
        ({"cines": [CINES[0], changed_by_a_pixel(CINES[1])]}, "other videos"),
        ({"settings": Settings(num_steps=3)}, "num_steps 2, now 3"),
        ({"settings": Settings(num_steps=2, stop_at=0.1)}, "stop_at None, now 0.1"),
        ({"model": tiny_model(seed=1, resolution=8)}, "another model"),
        ({"which": "ed"}, "which ed-es, now ed"),
        ({"mode": "neighbour"}, "mode frames, now neighbour, later_steps None, now 1"),
    ],
    ids=["videos", "pixels", "steps", "stop", "model", "frames", "mode"],
)
def test_a_store_made_otherwise_is_left_alone(model, tmp_path, change, said):
    arguments = {"model": model, "cines": CINES, "settings": SETTINGS, "which": "ed-es"}
    out = tmp_path / "z.zarr"
    project_study(out=out, **arguments)
    before = read_latents(out)[0].ws
    with pytest.raises(InputError, match=r"z\.zarr: .*choose another --out") as refused:
        project_study(out=out, **(arguments | change))
    assert f"({said}" in str(refused.value)
    np.testing.assert_array_equal(read_latents(out)[0].ws, before)


def test_a_folder_that_is_no_store_is_left_alone(model, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="no latent store"):
        project_study(model, CINES, tmp_path, SETTINGS)
    with pytest.raises(InputError, match="no latent store"):
        read_latents(tmp_path / "nothing")
    with pytest.raises(InputError, match="notes.txt: is a file"):
        project_study(model, CINES, tmp_path / "notes.txt", SETTINGS)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_cines_of_one_subject_have_keys_of_their_own(model, tmp_path):
    cine = CINES[0]
    twins = [cine, dataclasses.replace(cine)]
    project_study(model, twins, tmp_path / "z.zarr", SETTINGS, which="ed")
    ws = read_latents(tmp_path / "z.zarr")[0].ws[:, 0]
    assert not np.array_equal(ws[0], ws[1])


def test_cines_are_read_as_they_are_asked_for(model, tmp_path):
    """A study need not fit into memory: no cine is held on to but those of a batch."""

    class Lazy(list):
        alive = 0

        def __getitem__(self, index):
            class Counted(Cine):
                def __del__(self):
                    Lazy.alive -= 1

            Lazy.alive += 1
            most.append(Lazy.alive)
            return Counted(**vars(super().__getitem__(index)))

        def __iter__(self):
            return (self[index] for index in range(len(self)))

    most = []
    cines = [make_cine(f"s{index}", 3) for index in range(6)]
    project_study(model, Lazy(cines), tmp_path / "z", SETTINGS, which="ed", batch_size=1)
    assert read_latents(tmp_path / "z")[0].subjects == [f"s{index}" for index in range(6)]
    assert max(most) <= 3


def test_two_processes_share_a_study(model, tmp_path):
    """Each takes every second video; together they do all, as one does."""
    cines = [make_cine(name, 2) for name in ("a", "bb", "ccc")]
    for share in ((0, 2), (1, 2)):
        started = []
        project_study(
            model,
            cines,
            tmp_path / "two",
            SETTINGS,
            batch_size=1,
            share=share,
            on_start=lambda todo, done: started.append((todo, done)),  # noqa: B023
        )
        assert started == [((4, 0), (2, 0))[share[0]]]
    project_study(model, cines, tmp_path / "one", SETTINGS, batch_size=1)
    two, one = (read_latents(tmp_path / name)[0] for name in ("two", "one"))
    assert two.subjects == one.subjects
    np.testing.assert_array_equal(two.ws, one.ws)


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.full((2, 8, 8), 7, np.uint8), "a: frame 0 is empty, all its pixels are 7"),
        (np.zeros((2, 4, 8), np.uint8), "a: has frames of 4 × 8, .* takes 8 × 8; prepare"),
    ],
    ids=["constant", "size"],
)
def test_what_cannot_be_projected_is_said_before_anything_is_made(model, tmp_path, pixels, said):
    bad = Cine(pixels, (1.0, 1.0), 20.0, "a", es_frame=1)
    with pytest.raises(InputError, match=said):
        project_study(model, [CINES[0], bad], tmp_path / "z.zarr", SETTINGS)
    assert not list(tmp_path.iterdir())


_HOST = """
import sys
import jax
import pathlib
port, host, out = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
jax.distributed.initialize(f"127.0.0.1:{port}", 2, host)
from gancmri_jax.projection.cines import project_study
from tests.test_projection_cines import SETTINGS, make_cine
from tests.tiny import tiny_model
cines = [make_cine(name, 2) for name in ("a", "bb", "ccc")]
project_study(tiny_model(resolution=8), cines, out, SETTINGS, batch_size=1)
"""


@pytest.mark.slow
def test_two_hosts_project_one_study(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _HOST, str(port), str(host), str(tmp_path / "z")],
            cwd=ROOT,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for host in (0, 1)
    ]
    ends = [process.communicate(timeout=600)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    codes = read_latents(tmp_path / "z")[0]
    assert codes.subjects == ["a", "bb", "ccc"] and codes.valid.all()
    assert read_quality(tmp_path / "z").flagged_above > 0
