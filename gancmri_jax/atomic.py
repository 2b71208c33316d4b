"""Files that are written whole or not at all."""

import contextlib
import errno
import os
import pathlib
import secrets
from collections.abc import Iterator


@contextlib.contextmanager
def atomic_write(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Give a hidden sibling of the same suffix to write, and rename it when the block succeeds.

    Its name is its own, so two programs that write one file leave one of the two whole files. An
    `OSError` (a full disk, a folder that may not be written to) names the path.
    """
    part = path.with_name(f".part-{secrets.token_hex(4)}-{path.name}")
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        if error.errno is None:
            raise OSError(errno.EIO, str(error), str(path)) from error
        error.filename = str(path)  # many writers name nothing, or the sibling
        raise
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
