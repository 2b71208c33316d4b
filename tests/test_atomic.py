import errno
import os

import pytest

from gancmri_jax import atomic
from gancmri_jax.atomic import atomic_write, sync, sync_tree


def test_a_file_appears_when_all_is_written(tmp_path):
    path = tmp_path / "a.nii.gz"
    with atomic_write(path) as part:
        part.write_text("new")
        assert part.parent == tmp_path and part.name.endswith("a.nii.gz") and not path.exists()
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_what_breaks_off_leaves_what_was_there(tmp_path):
    path = tmp_path / "a"
    path.write_text("earlier")
    with pytest.raises(RuntimeError), atomic_write(path) as part:
        part.write_text("half")
        raise RuntimeError
    assert path.read_text() == "earlier" and list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_leave_a_whole_one(tmp_path):
    path = tmp_path / "a"
    with atomic_write(path) as first, atomic_write(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]


def test_a_durable_file_is_on_the_disk_before_its_name_is(tmp_path, monkeypatch):
    path, order = tmp_path / "a", []
    fsync, replace = os.fsync, os.replace

    def note_fsync(handle):
        order.append(os.path.basename(os.readlink(f"/proc/self/fd/{handle}"))[:6])
        fsync(handle)

    def note_replace(source, target):
        order.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    with atomic_write(path) as part:
        part.write_text("soon")
    assert order == ["rename"]
    with atomic_write(path, durable=True) as part:
        part.write_text("now")
    assert order[1:] == [".part-", "rename", tmp_path.name[:6]]


def test_a_tree_is_written_through_from_the_inside(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").touch()
    order = []
    monkeypatch.setattr(atomic, "sync", lambda path: order.append(path.name))
    sync_tree(tmp_path / "a")
    assert order == ["file", "b", "a"]


def test_a_folder_that_cannot_be_synced_is_let_be_and_other_trouble_is_not(tmp_path, monkeypatch):
    def fail(code):
        def fsync(_):
            raise OSError(code, os.strerror(code))

        return fsync

    monkeypatch.setattr(os, "fsync", fail(errno.EINVAL))
    sync(tmp_path)
    monkeypatch.setattr(os, "fsync", fail(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        sync(tmp_path)
