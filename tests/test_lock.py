import contextlib
import errno
import fcntl
import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.lock import one_run

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
