import contextlib
import errno
import fcntl
import os
import pathlib
import signal
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

from gancmri_jax.apps.reader_study.create import create_study
from gancmri_jax.apps.reader_study.items import Plan
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.prepare import Options, prepare
from gancmri_jax.cine.read import insist
from gancmri_jax.errors import InputError
from gancmri_jax.experiments.reproduce import reproduce
from gancmri_jax.experiments.scale import QUICK
from gancmri_jax.fitting.fit import fit
from gancmri_jax.lock import one_run
from gancmri_jax.model.model import Model
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.study import project_study
from gancmri_jax.segmentation import training as segmenting
from gancmri_jax.segmentation.training import train_segmenter
from gancmri_jax.training import encoder as encoding
from gancmri_jax.training.encoder import train_encoder
from gancmri_jax.training.loop import train
from tests.tiny import tiny_config

ROOT = pathlib.Path(__file__).parents[1]
_HOLD = """
import contextlib, pathlib, sys
from gancmri_jax.lock import one_run
with contextlib.ExitStack() as held:
    for output in sys.argv[3:]:
        part = None if sys.argv[2] == "None" else int(sys.argv[2])
        beside = sys.argv[1] == "beside"
        held.enter_context(one_run(pathlib.Path(output), "train", beside=beside, part=part))
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def another_process(*outputs, beside=False, part=None):
    """Let another process hold the locks of some outputs."""
    arguments = ["beside" if beside else "inside", str(part), *map(str, outputs)]
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


def test_a_second_process_is_refused_and_told_what_runs(tmp_path):
    out = tmp_path / "run"
    with another_process(out) as process:
        said = rf"run: another run writes there \(train, process {process.pid} on .* UTC\); wait"
        for _ in range(2):  # what the first says is still there after a refusal
            with pytest.raises(InputError, match=said), one_run(out, "train"):
                pass
    with one_run(out, "train"):
        assert (out / ".lock").read_text().startswith(f"train, process {os.getpid()} on ")


def test_a_lock_dies_with_its_process(tmp_path):
    with another_process(tmp_path / "z.zarr", beside=True) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (tmp_path / ".z.zarr.lock").exists()
        with one_run(tmp_path / "z.zarr", "project", beside=True):
            assert "project" in (tmp_path / ".z.zarr.lock").read_text()
    assert list(tmp_path.iterdir()) == []


def test_parts_of_one_run_share_it(tmp_path):
    with another_process(tmp_path, part=1):
        with one_run(tmp_path, "train", part=0):
            pass
        assert (tmp_path / ".lock").exists()  # the other's still
        for part in (None, 1):
            with pytest.raises(InputError, match="another run"):
                with one_run(tmp_path, "train", part=part):
                    pass
    assert not (tmp_path / ".lock").exists()
    with another_process(tmp_path), pytest.raises(InputError, match="another run"):
        with one_run(tmp_path, "train", part=0):
            pass


def test_a_thread_may_ask_again_and_another_may_not(tmp_path):
    refused = []

    def other():
        try:
            with one_run(tmp_path, "train"):
                pass
        except InputError as error:
            refused.append(str(error))

    with one_run(tmp_path, "train"):
        with one_run(tmp_path / "." / "x" / "..", "train"):
            pass
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert (tmp_path / ".lock").exists()
    assert len(refused) == 1 and "another thread" in refused[0]


def test_folders_that_nothing_is_written_to_are_gone_again(tmp_path):
    with pytest.raises(RuntimeError), one_run(tmp_path / "a" / "b", "train"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with one_run(tmp_path / "a" / "b", "train"):
        (tmp_path / "a" / "b" / "file").touch()
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == ["file"]


def test_a_file_system_without_locks_is_named_and_does(tmp_path, monkeypatch, capsys):
    def lockf(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", lockf)
    with one_run(tmp_path / "a", "train"):
        pass
    assert "no locks on this file system" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "fcntl", None)  # as on Windows
    with one_run(tmp_path / "a", "train"):
        pass
    assert "no locks" in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_a_lock_that_was_just_removed_is_taken_anew(tmp_path, monkeypatch):
    """The run before removed the file between this one's opening and locking it."""
    locked = []
    lockf = fcntl.lockf

    def remove_first(*arguments):
        if not locked:
            (tmp_path / ".lock").unlink()
        locked.append(arguments)
        lockf(*arguments)

    monkeypatch.setattr(fcntl, "lockf", remove_first)
    with one_run(tmp_path, "train"):
        assert (tmp_path / ".lock").exists()
    assert len(locked) == 2


def test_where_nothing_can_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"x: cannot be written: Not a directory"):
        with one_run(tmp_path / "file" / "x", "train"):
            pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_said(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="cannot be written: Permission denied"):
            with one_run(tmp_path / "x", "train"):
                pass
    finally:
        tmp_path.chmod(0o700)


class Double(types.SimpleNamespace):
    """In place of a model: runs are refused before anything is asked of it."""

    __class__ = Model


MODEL = Double(insist_grey=lambda: None, resolution=8)

INSIDE = {
    "train": lambda out, source: train(tiny_config(data=str(source)), out),
    "train-segmenter": lambda out, source: train_segmenter(segmenting.default_config(), out),
    "train-encoder": lambda out, source: train_encoder(MODEL, encoding.default_config(), out),
    "reproduce": lambda out, source: reproduce(out, QUICK, model_name="demo"),
}
BESIDE = {
    "prepare": lambda out, source: prepare(source, out, Options(8), on_refusal=insist),
    "project": lambda out, source: project_study(
        MODEL, [], out, Settings(distance="multiscale_pixel")
    ),
    "fit": lambda out, source: fit(MODEL, [], out),
    "study create": lambda out, source: create_study(
        out,
        Plan("videos", source, {"made": source}, 1, 0, 0),
        0,
        say=print,
        progress=lambda steps, kind: steps,
    ),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    frames = np.random.default_rng(0).integers(0, 1000, (3, 8, 8), dtype=np.int16)
    write_nifti(folder / "a.nii.gz", frames, (1.5, 1.25), 30.0)
    return folder


@pytest.mark.parametrize("verbs", [INSIDE, BESIDE], ids=["inside", "beside"])
def test_a_second_run_of_any_verb_is_refused(verbs, source, tmp_path):
    outputs = {verb: tmp_path / verb.replace(" ", "-") for verb in verbs}
    with another_process(*outputs.values(), beside=verbs is BESIDE) as process:
        before = sorted(tmp_path.rglob("*"))
        for verb, run in verbs.items():
            said = rf"{outputs[verb]}: another run writes there \(train, process {process.pid} on"
            with pytest.raises(InputError, match=said):
                run(outputs[verb], source)
        assert sorted(tmp_path.rglob("*")) == before
