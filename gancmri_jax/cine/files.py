"""Files of a subject, on disk or inside a zip, which is read in place and never unpacked to disk.

What a zip says of itself is checked before a byte is unpacked, so that a small file cannot fill
the memory, and a member's name is only ever printed, never used as a place to write.
"""

import dataclasses
import pathlib
import zipfile
from collections.abc import Callable, Iterator
from typing import IO

from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.errors import InputError

MOST_BYTES = 2**29  # of one file; a cine of 100 frames at 512 × 512 has a tenth of it
MOST_ARCHIVE_BYTES = 2**32
MOST_MEMBERS = 100_000
MOST_RATIO = 200  # of unpacked to packed size: MR frames reach 2 to 5
SMALL_BYTES = 2**20  # below, any ratio is harmless: an empty frame packs very well


@dataclasses.dataclass(frozen=True)
class File:
    """Bytes to read.

    Attributes:
        path: Where they lie; for a member of a zip, the zip's path and the member's name.
        open: Opens them for reading.
    """

    path: pathlib.Path
    open: Callable[[], IO[bytes]]

    def head(self, num_bytes: int) -> bytes:
        """Return the first bytes, none where they cannot be read."""
        try:
            with self.open() as file:
                return file.read(num_bytes)
        except Exception:  # whatever an unpacker stumbles over will be told by `read`
            return b""

    def read(self) -> bytes:
        """Return all bytes.

        Raises:
            InputError: They cannot be read, or are too many.
        """
        try:
            with self.open() as file:
                content = file.read(MOST_BYTES + 1)
        except Exception as error:  # OSError, BadZipFile, zlib.error, EOFError, ...
            raise InputError(f"cannot be read ({type(error).__name__})") from error
        if len(content) > MOST_BYTES:
            raise InputError(f"is larger than {MOST_BYTES >> 20} MiB, no cine")
        return content


def disk_file(path: pathlib.Path) -> File:
    """Return a file that lies on disk by itself."""
    return File(path, lambda: path.open("rb"))


def list_files(path: pathlib.Path) -> Iterator[File | Refusal]:
    """Yield the files under a path, sorted, the members of its zips among them.

    A path may be a file, a zip or a folder. Hidden files are passed over; a zip that is broken or
    a bomb, and a member that is locked or too large, is refused.
    """
    paths = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for place in paths:
        if place.name.startswith("."):
            continue
        if place.suffix.lower() == ".zip":
            yield from _members(place)
        else:
            yield disk_file(place)


def _members(archive: pathlib.Path) -> Iterator[File | Refusal]:
    try:
        opened = zipfile.ZipFile(archive)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        yield Refusal(archive, f"is broken or no zip file ({type(error).__name__})")
        return
    members = [info for info in opened.infolist() if not info.is_dir()]
    unpacked = sum(info.file_size for info in members)
    if len(members) > MOST_MEMBERS or unpacked > MOST_ARCHIVE_BYTES:
        yield Refusal(
            archive, f"would unpack to {len(members)} files of {unpacked >> 20} MiB, no study"
        )
        return
    for info in sorted(members, key=lambda info: info.filename):
        name = pathlib.PurePosixPath(info.filename.replace("\\", "/"))
        place = archive / name.name
        if name.name.startswith(".") or "__MACOSX" in name.parts:
            continue
        if reason := _refuse_member(info, name):
            yield Refusal(place, reason)
        else:
            yield File(place, lambda info=info: opened.open(info))  # type: ignore[misc]


def _refuse_member(info: zipfile.ZipInfo, name: pathlib.PurePosixPath) -> str | None:
    if name.is_absolute() or ".." in name.parts or ":" in name.parts[0]:
        return "has a name that leads out of its zip"
    if info.flag_bits & 1:
        return "is locked by a password; unpack it first"
    bomb = info.file_size > MOST_RATIO * max(info.compress_size, 1)
    if info.file_size > MOST_BYTES or (bomb and info.file_size > SMALL_BYTES):
        return (
            f"would unpack from {info.compress_size} to {info.file_size} bytes, as a "
            "decompression bomb does"
        )
    return None
