import pytest

from gancmri_jax.atomic import atomic_write


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
