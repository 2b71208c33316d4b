import hashlib
import hmac
import stat

import pytest

from gancmri_jax.cine.subject import hash_subject, subject_key
from gancmri_jax.errors import InputError


def test_names_become_sixteen_digits_of_an_hmac():
    digest = hmac.new(b"key", b"1234567", hashlib.sha256).hexdigest()
    assert hash_subject("1234567", b"key") == digest[:16]
    assert hash_subject("1234567", b"other") != digest[:16]


def test_the_key_is_made_once_for_its_owner_only(tmp_path, monkeypatch):
    monkeypatch.delenv("GANCMRI_SUBJECT_KEY_FILE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    key = subject_key()
    assert len(key) == 32 and subject_key() == key
    (file,) = (tmp_path / "gancmri").iterdir()
    assert file.name == "subject.key" and stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_can_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("GANCMRI_SUBJECT_KEY_FILE", str(tmp_path / "my.key"))
    (tmp_path / "my.key").write_text("00" * 32)
    assert subject_key() == bytes(32)


@pytest.mark.parametrize("text", ["not hexadecimal", "abcd", ""])
def test_a_bad_key_is_an_error_that_names_the_file(tmp_path, monkeypatch, text):
    monkeypatch.setenv("GANCMRI_SUBJECT_KEY_FILE", str(tmp_path / "my.key"))
    (tmp_path / "my.key").write_text(text)
    with pytest.raises(InputError, match="my.key"):
        subject_key()
