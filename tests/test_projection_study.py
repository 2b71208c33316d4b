import dataclasses
import os
import pathlib
import socket
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.errors import InputError
from gancmri_jax.model.file import load_model
from gancmri_jax.physiology import end_systole
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.store import (
    Video,
    open_latents,
    read_latents,
    read_noise,
    read_quality,
    read_videos,
)
from gancmri_jax.projection.study import codes_of, frames_of, project_study
from tests.tiny import tiny_model
from tests.tiny_segmenter import tiny_segmenter

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


def test_which_frames():
    video = Video("a", 3, 0, 2, "records")
    assert frames_of(video, "all") == [0, 1, 2]
    assert frames_of(video, "ed-es") == [0, 2]
    assert frames_of(video, "ed") == [0]


@pytest.mark.slow
def test_the_store_holds_what_was_found_whatever_the_batch_size(model, tmp_path):
    found = {}
    for batch_size in (2, 7):
        out = tmp_path / f"{batch_size}.zarr"
        counted = []
        found[batch_size] = project_study(
            model,
            CINES,
            out,
            SETTINGS,
            batch_size=batch_size,
            keep_noise=batch_size == 2,
            on_steps=counted.append,
        )
        assert sum(counted) == 7 * SETTINGS.num_steps
        np.testing.assert_array_equal(found[batch_size].ws, read_latents(out)[0].ws)
    codes = found[2]
    np.testing.assert_allclose(codes.ws, found[7].ws, rtol=1e-3, atol=1e-4)  # float16
    assert codes.subjects == ["a", "bb"]
    np.testing.assert_array_equal(codes.valid, [[1, 1, 1, 0], [1, 1, 1, 1]])
    np.testing.assert_array_equal(codes.num_frames, [3, 4])
    assert np.isnan(codes.distances[0, 3]) and np.isfinite(codes.distances[codes.valid]).all()
    np.testing.assert_array_equal(codes_of(codes, 0), codes.ws[0, :3])
    broken = dataclasses.replace(codes, valid=np.arange(8).reshape(2, 4) != 1)
    with pytest.raises(InputError, match="a: the search for some frames broke off; choose"):
        codes_of(broken, 0)
    noise = read_noise(tmp_path / "2.zarr", 1)
    assert [level.shape for level in noise] == [(4, 4, 4), (4, 8, 8), (4, 8, 8)]
    assert read_noise(tmp_path / "7.zarr", 1) == []


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


@pytest.fixture(scope="module")
def store(model, tmp_path_factory):
    """A study's projection: its arguments, `out` among them."""
    out = tmp_path_factory.mktemp("store") / "z.zarr"
    arguments = {"model": model, "cines": CINES, "settings": SETTINGS, "which": "ed-es"}
    project_study(out=out, **arguments)
    return arguments | {"out": out}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cines": CINES[:1]}, "other videos"),
        ({"cines": [CINES[0], changed_by_a_pixel(CINES[1])]}, "other videos"),
        ({"settings": Settings(num_steps=3)}, "num_steps 2, now 3"),
        ({"settings": Settings(num_steps=2, stop_at=0.1)}, "stop_at None, now 0.1"),
        ({"which": "ed"}, "which ed-es, now ed"),
        ({"mode": "neighbour"}, "mode frames, now neighbour, later_steps None, now 1"),
    ],
    ids=["videos", "pixels", "steps", "stop", "frames", "mode"],
)
def test_a_store_made_otherwise_is_left_alone(store, change, said):
    arguments = store | change
    before = read_latents(store["out"])[0].ws
    with pytest.raises(InputError, match=r"z\.zarr: .*choose another --out") as refused:
        project_study(**arguments)
    assert f"({said}" in str(refused.value)
    np.testing.assert_array_equal(read_latents(store["out"])[0].ws, before)


def test_a_store_of_another_model_is_left_alone(store):
    test_a_store_made_otherwise_is_left_alone(
        store, {"model": tiny_model(seed=1, resolution=8)}, "another model"
    )


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


@pytest.fixture
def version_0_1(tmp_path):
    """A model, its cines, and stores, all written by version 0.1 (commit c3fd751).

    `frames.zarr` and `joint.zarr` are whole, and `begun.zarr` lacks the second of two videos.
    """
    with zipfile.ZipFile(ROOT / "tests" / "data" / "store-0.1.zip") as archive:
        archive.extractall(tmp_path)
    with np.load(tmp_path / "frames.npz") as frames:
        cines = [
            Cine(frames["a"], (1.0, 1.0), 20.0, "a", es_frame=2),
            Cine(frames["b"], (1.0, 1.0), 20.0, "b"),
        ]
    return tmp_path, load_model(str(tmp_path / "model.safetensors")), cines


def test_a_store_of_version_0_1_is_read_and_resumed(version_0_1, threefry):
    folder, model, cines = version_0_1
    assert read_videos(folder / "begun.zarr") == [
        Video("a", 3, 0, 2, "records"),
        Video("b", 4, 0, 2, "distance"),
    ]
    before = read_latents(folder / "begun.zarr")[0]
    # All rows are kept, and are equal: `fit` learns from one of them.
    assert open_latents(folder / "begun.zarr")[0].one_row
    np.testing.assert_array_equal(before.ws, before.ws[:, :, :1].repeat(before.ws.shape[2], axis=2))
    assert before.subjects == ["a"] and read_quality(folder / "frames.zarr").steps.max() == 4
    started = []
    codes = project_study(
        model,
        cines,
        folder / "begun.zarr",
        Settings(num_steps=4),
        batch_size=1,
        on_start=lambda todo, done: started.append((todo, done)),
    )
    assert started == [(4, 3)] and codes.subjects == ["a", "b"]
    np.testing.assert_array_equal(codes.ws[0], before.ws[0])
    whole = read_latents(folder / "frames.zarr")[0]
    np.testing.assert_allclose(codes.ws, whole.ws, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(codes.distances, whole.distances, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["frames", "joint"])
def test_a_whole_store_of_version_0_1_is_found_again(version_0_1, tmp_path, mode, threefry):
    folder, model, cines = version_0_1
    held, provenance = read_latents(folder / f"{mode}.zarr")
    project_study(model, cines, tmp_path / "new", Settings(num_steps=4), mode=mode, batch_size=2)
    codes, now = read_latents(tmp_path / "new")
    assert now == provenance
    np.testing.assert_allclose(codes.ws, held.ws, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(codes.es_frame, held.es_frame)


def test_a_store_begun_before_the_segmenter_was_asked_keeps_its_es_frames(version_0_1):
    """`superres` of version 0.1 knew ES by distance, whatever the model had."""
    folder, model, cines = version_0_1
    model = dataclasses.replace(model, segmenter=tiny_segmenter())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(end_systole, "_least_area", lambda cine, segmenter: 1)
        project_study(model, cines, folder / "begun.zarr", Settings(num_steps=4), batch_size=2)
        assert read_videos(folder / "begun.zarr")[1] == Video("b", 4, 0, 2, "distance")
        project_study(model, cines, folder / "new.zarr", Settings(num_steps=4), batch_size=2)
        assert read_videos(folder / "new.zarr")[1] == Video("b", 4, 0, 1, "segmenter")
        with pytest.raises(InputError, match="other videos"):  # the table overrides
            project_study(
                model, cines, folder / "begun.zarr", Settings(num_steps=4), es_frames={"b": 3}
            )


_HOST = """
import sys
import jax
import pathlib
port, host, out = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
jax.distributed.initialize(f"127.0.0.1:{port}", 2, host)
from gancmri_jax.projection.study import project_study
from tests.test_projection_study import SETTINGS, make_cine
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
