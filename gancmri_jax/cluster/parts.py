"""Files through which the machines of a cluster work together, on a file system that they share.

A part is what a worker leaves of one subject: a value and its checksum, whole or not there at all.
Parts are pickles: they are read only from folders that the command itself has made, for its owner
alone. Network file systems may show a file late, so whoever expects one waits for it.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import pickle
import shutil
import time
from typing import Any

from gancmri_jax.atomic import atomic_write
from gancmri_jax.errors import InputError

PATIENCE_S = 10.0  # NFS may keep in mind for a while that a file was not there
CARD = "work.json"


def write_part(path: pathlib.Path, value: object) -> str:
    """Write a value, and return its SHA-256."""
    content = pickle.dumps(value)
    digest = hashlib.sha256(content)
    with atomic_write(path) as part:
        part.write_bytes(digest.digest() + content)
    return digest.hexdigest()


def read_part(path: pathlib.Path, sha256: str | None = None) -> Any:
    """Read a value; wait for its file where another machine has just written it.

    Args:
        path: The file.
        sha256: What it must hold; by default, what the file says itself.

    Raises:
        InputError: It is not there, or damaged.
    """
    if not arrived(path):
        raise InputError(f"{path}: is not there; run the same command again")
    content = path.read_bytes()
    digest, content = content[:32], content[32:]
    found = hashlib.sha256(content)
    if found.digest() != digest or found.hexdigest() != (sha256 or found.hexdigest()):
        raise InputError(f"{path}: is damaged; remove it and run the same command again")
    return pickle.loads(content)


def arrived(path: pathlib.Path, patience_s: float | None = None) -> bool:
    """Wait until a file is seen, and tell whether it is."""
    end = time.monotonic() + (PATIENCE_S if patience_s is None else patience_s)
    pause = 0.01
    while not path.exists():
        if time.monotonic() > end:
            return False
        with contextlib.suppress(OSError):  # opening a folder makes NFS look again
            os.close(os.open(path.parent, os.O_RDONLY))
        time.sleep(pause)
        pause = min(2 * pause, 1.0)
    return True


def workshop(folder: pathlib.Path, card: dict[str, Any]) -> pathlib.Path:
    """Return the folder that parts lie in: what the same command left, or else a new one.

    Args:
        folder: Its place; only its owner may read it.
        card: All that the parts depend on, JSON-like.
    """
    begun = json.dumps(card)
    with contextlib.suppress(OSError):
        if (folder / CARD).read_text() == begun:
            return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    with atomic_write(folder / CARD) as part:
        part.write_text(begun)
    return folder
