"""SHA-256 of the files of a folder, kept among them in `checksums.json`."""

import hashlib
import json
import pathlib
from collections.abc import Iterable

from gancmri_jax.atomic import atomic_write
from gancmri_jax.errors import InputError

CHECKSUMS = "checksums.json"


def file_sha256(path: pathlib.Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checksums(folder: pathlib.Path, files: Iterable[pathlib.Path]) -> None:
    """Write the SHA-256 of files of a folder; it is on the disk when this returns."""
    sums = {file.relative_to(folder).as_posix(): file_sha256(file) for file in sorted(files)}
    with atomic_write(folder / CHECKSUMS, durable=True) as part:
        part.write_text(json.dumps(sums, indent=2) + "\n")


def check_checksums(folder: pathlib.Path) -> bool:
    """Return whether a folder has checksums, having compared all of them.

    Raises:
        InputError: A file is missing or has another SHA-256, or the checksums are damaged.
    """
    path = folder / CHECKSUMS
    try:
        sums = json.loads(path.read_text())
    except FileNotFoundError:
        return False
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: is damaged ({type(error).__name__})") from error
    if not (isinstance(sums, dict) and sums):
        raise InputError(f"{path}: is damaged (no checksums in it)")
    for name, sha256 in sums.items():
        try:
            found = file_sha256(folder / name)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "no file has such a name"
            raise InputError(f"{folder / name}: cannot be read ({reason})") from error
        if found != sha256:
            raise InputError(f"{folder / name}: is damaged: it has another SHA-256 than when saved")
    return True
