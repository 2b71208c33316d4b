import pathlib
import zipfile

import pytest

from gancmri_jax.cine.files import File, disk_file, list_files
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.errors import InputError


def listed(path: pathlib.Path) -> tuple[dict[str, bytes], dict[str, str]]:
    items = list(list_files(path))
    files = {f.path.relative_to(path).as_posix(): f.read() for f in items if isinstance(f, File)}
    return files, {r.path.name: r.reason for r in items if isinstance(r, Refusal)}


def make_zip(path, members, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_files_on_disk_and_in_zips_are_listed_alike(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b/plain").write_bytes(b"1")
    (tmp_path / "b/.hidden").write_bytes(b"2")
    make_zip(tmp_path / "a.zip", {"deep/x.dcm": b"3", ".y": b"4", "__MACOSX/z": b"5"})
    assert listed(tmp_path) == ({"a.zip/x.dcm": b"3", "b/plain": b"1"}, {})
    assert listed(tmp_path / "a.zip") == ({"x.dcm": b"3"}, {})


def test_a_name_that_leads_out_is_refused_and_nothing_is_written(tmp_path):
    make_zip(tmp_path / "in.zip", {"../out.dcm": b"1", "/abs.dcm": b"2", "..\\w.dcm": b"3"})
    files, reasons = listed(tmp_path)
    assert not files and set(reasons) == {"out.dcm", "abs.dcm", "w.dcm"}
    assert all("leads out of its zip" in reason for reason in reasons.values())
    assert [p.name for p in tmp_path.iterdir()] == ["in.zip"]


def test_bombs_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    make_zip(tmp_path / "a.zip", {"zeros.dcm": bytes(2**24), "empty.dcm": bytes(2**18)})
    files, reasons = listed(tmp_path)
    assert list(files) == ["a.zip/empty.dcm"]
    assert "decompression bomb" in reasons["zeros.dcm"]
    monkeypatch.setattr("gancmri_jax.cine.files.MOST_ARCHIVE_BYTES", 2**20)
    files, reasons = listed(tmp_path)
    assert not files and "would unpack to 2 files of 16 MiB" in reasons["a.zip"]


def test_locked_members_and_broken_zips_are_refused(tmp_path):
    make_zip(tmp_path / "a.zip", {"x.dcm": b"1"})
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag of encryption
    (tmp_path / "locked.zip").write_bytes(content)
    (tmp_path / "torn.zip").write_bytes(content[:-10])
    _, reasons = listed(tmp_path)
    assert "password" in reasons["x.dcm"] and "no zip file" in reasons["torn.zip"]


def test_a_member_that_breaks_off_cannot_be_read(tmp_path):
    make_zip(tmp_path / "a.zip", {"x.dcm": bytes(range(256)) * 4})
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[60] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(content)
    (file,) = list_files(tmp_path)
    assert isinstance(file, File)
    with pytest.raises(InputError, match="cannot be read"):
        file.read()


def test_a_large_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("gancmri_jax.cine.files.MOST_BYTES", 10)
    (tmp_path / "a").write_bytes(bytes(11))
    with pytest.raises(InputError, match="larger than"):
        disk_file(tmp_path / "a").read()
    assert disk_file(tmp_path / "a").head(3) == bytes(3)
    assert disk_file(tmp_path / "absent").head(3) == b""
