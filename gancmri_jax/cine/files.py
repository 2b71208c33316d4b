"""Files of a subject, on disk or inside a zip, which is read in place and never unpacked to disk.

What a zip says of itself is checked before a byte is unpacked, so that a small file cannot fill
the memory, and a member's name is only ever printed, never used as a place to write. Zips inside
zips and gzipped files are opened the same way.
"""

import dataclasses
import functools
import gzip
import io
import pathlib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO

from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.errors import InputError

MOST_BYTES = 2**29  # of one file; a cine of 100 frames at 512 × 512 has a tenth of it
MOST_ARCHIVE_BYTES = 2**32
MOST_NESTED_BYTES = 2**28  # of a zip inside a zip, which is held in memory
MOST_LEVELS = 3
MOST_MEMBERS = 100_000
MOST_RATIO = 200  # of unpacked to packed size: MR frames reach 2 to 5
SMALL_BYTES = 2**20  # below, any ratio is harmless: an empty frame packs very well
_PIECE_BYTES = 2**20  # unpacked at once
OTHER_ARCHIVES = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".7z", ".rar", ".bz2", ".xz")


@dataclasses.dataclass(frozen=True)
class File:
    """Bytes to read.

    Attributes:
        path: Where they lie; for a member of a zip, the zip's path and the member's name.
        open: Opens them for reading.
        on_disk: Whether the path is a file's own.
    """

    path: pathlib.Path
    open: Callable[[], IO[bytes]]
    on_disk: bool = True

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


def gunzipped(file: File) -> File:
    """Return a gzipped file as the file inside it, under the name without `.gz`."""

    def open_inside() -> io.BufferedIOBase:
        packed = file.open()
        inside = gzip.GzipFile(fileobj=packed)
        inside.myfileobj = packed  # type: ignore[assignment]  # closed with it
        return inside

    return File(file.path.with_suffix(""), open_inside, on_disk=False)  # type: ignore[arg-type]


def is_gzip(file: File) -> bool:
    """Tell by its first bytes whether a file is gzipped."""
    return file.head(2) == b"\x1f\x8b"


def gunzip_to_end(file: File, keep: int = 0) -> io.BytesIO:
    """Unpack a gzipped file to its end, where its checksum is; return its first bytes.

    Raises:
        InputError: The checksum is another, or it unpacks to too much.
    """
    kept, num_bytes = io.BytesIO(), 0
    try:
        with file.open() as packed, gzip.GzipFile(fileobj=packed) as unpacked:
            while piece := unpacked.read(_PIECE_BYTES):
                kept.write(piece[: max(keep - num_bytes, 0)])
                num_bytes += len(piece)
                if num_bytes > MOST_BYTES:
                    raise InputError(f"would unpack to over {MOST_BYTES >> 20} MiB, no cine")
    except (EOFError, OSError, zlib.error) as error:
        reason = "it ends too early" if isinstance(error, EOFError) else str(error)
        raise InputError(f"is damaged: {reason}; copy it again") from error
    kept.seek(0)
    return kept


def list_files(path: pathlib.Path, deep: bool = True) -> Iterator[File | Refusal]:
    """Yield the files under a path, sorted, the members of its zips among them.

    A path may be a file, a zip or a folder. Hidden files are passed over; a zip that is broken or
    a bomb, a member that is locked or too large, and an archive of another kind is refused.

    Args:
        path: Where to look.
        deep: Look into folders inside the folder too.
    """
    if path.is_dir():
        inside = path.rglob("*") if deep else path.iterdir()
        paths = sorted(p for p in inside if p.is_file() and not hidden(p, path))
    else:
        paths = [path]
    for place in paths:
        yield from _opened(disk_file(place), MOST_LEVELS)


def hidden(path: pathlib.Path, root: pathlib.Path) -> bool:
    """Tell whether a file under a root is hidden, or lies in a hidden folder."""
    parts = path.relative_to(root).parts
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def _opened(file: File, levels: int) -> Iterator[File | Refusal]:
    """Yield a file, or what a zip or gzip holds."""
    name = file.path.name.lower()
    if name.endswith(OTHER_ARCHIVES):
        kind = next(suffix for suffix in OTHER_ARCHIVES if name.endswith(suffix))
        yield Refusal(file.path, f"is an archive of a kind that is not read ({kind}); unpack it")
    elif name.endswith(".zip"):
        yield from _members(file, levels)
    elif name.endswith(".gz") and not name.endswith((".nii.gz", ".img.gz", ".hdr.gz")):
        yield gunzipped(file)
    else:
        yield file


def _members(file: File, levels: int) -> Iterator[File | Refusal]:
    archive = file.path
    if levels == 0:
        yield Refusal(archive, "is a zip inside too many zips; unpack it")
        return
    try:
        opened = zipfile.ZipFile(archive if file.on_disk else _in_memory(file))
    except InputError as error:
        yield Refusal(archive, str(error))
        return
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
            member = File(place, functools.partial(opened.open, info), on_disk=False)
            yield from _opened(member, levels - 1)


def _in_memory(file: File) -> io.BytesIO:
    content = file.read()
    if len(content) > MOST_NESTED_BYTES:
        raise InputError(f"is a zip inside a zip of over {MOST_NESTED_BYTES >> 20} MiB; unpack it")
    return io.BytesIO(content)


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
