"""Files that are written whole or not at all, and bytes that are on the disk for good."""

import contextlib
import errno
import os
import pathlib
import secrets
from collections.abc import Iterator

_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)  # of folders, on some file systems


@contextlib.contextmanager
def atomic_write(path: pathlib.Path, durable: bool = False) -> Iterator[pathlib.Path]:
    """Give a hidden sibling of the same suffix to write, and rename it when the block succeeds.

    Its name is its own, so two programs that write one file leave one of the two whole files. An
    `OSError` (a full disk, a folder that may not be written to) names the path.

    Args:
        path: The file to write.
        durable: Return only when the file is on the disk, so that a power cut does not cost it.
    """
    part = path.with_name(f".part-{secrets.token_hex(4)}-{path.name}")
    try:
        yield part
        if durable:
            sync(part)
        os.replace(part, path)
        if durable:
            sync(path.parent)
    except OSError as error:
        if error.errno is None:
            raise OSError(errno.EIO, str(error), str(path)) from error
        error.filename = str(path)  # many writers name nothing, or the sibling
        raise
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def sync(path: pathlib.Path) -> None:
    """Wait until a file's bytes, or the names in a folder, are on the disk."""
    if os.name == "nt" and path.is_dir():  # Windows cannot open folders
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(handle)


def sync_tree(folder: pathlib.Path) -> None:
    """Wait until a folder, and all that lies in it, is on the disk."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(pathlib.Path(place, name))
        sync(pathlib.Path(place))
