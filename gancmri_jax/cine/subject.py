"""Names of subjects as they may be written: keyed hashes that only this machine can retrace."""

import hashlib
import hmac
import os
import pathlib
import secrets

from gancmri_jax.errors import InputError

KEY_FILE_VARIABLE = "GANCMRI_SUBJECT_KEY_FILE"
HEX_DIGITS = 16


def subject_key() -> bytes:
    """Return the local random key, which is made, readable by its owner only, on first use.

    It lies in the file that `GANCMRI_SUBJECT_KEY_FILE` names, else in the user's configuration
    folder. Who has it can test guesses of names against hashes: it never leaves the machine.
    """
    path = _key_path()
    try:
        if not path.exists():
            _make_key(path)
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be used as the key for subject names ({error}); "
            f"point {KEY_FILE_VARIABLE} to another file, or use --keep-ids"
        ) from error
    if len(key) < 16:
        raise InputError(f"{path}: holds a key of {len(key)} bytes, too short; remove it")
    return key


def hash_subject(subject: str, key: bytes) -> str:
    """Return HMAC-SHA256 of a name, cut to 16 hexadecimal digits."""
    name = subject.encode("utf-8", "surrogateescape")  # as a file may be called
    return hmac.new(key, name, hashlib.sha256).hexdigest()[:HEX_DIGITS]


def _key_path() -> pathlib.Path:
    if named := os.environ.get(KEY_FILE_VARIABLE):
        return pathlib.Path(named)
    config = os.environ.get("XDG_CONFIG_HOME") or pathlib.Path.home() / ".config"
    return pathlib.Path(config) / "gancmri" / "subject.key"


def _make_key(path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    part.touch(mode=0o600)
    part.write_text(secrets.token_hex(32) + "\n")
    try:
        os.link(part, path)  # whole, and by the first of several processes only
    except FileExistsError:
        pass
    finally:
        part.unlink()
