"""What a worker of a Dask cluster does: one item of an order, a subject, by its number.

Dask shows the arguments of tasks on its dashboard and writes them and what they raise into logs. So
a task has a number, and the place of the orders; what is in the orders (names and paths of
subjects) and what went wrong with a subject is written into files beside them instead. A key for
subjects' names is in none of these: only the command itself hashes names.
"""

import contextlib
import functools
import pathlib
import pickle
import platform
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gancmri_jax.cache import keep_compiled_programs
from gancmri_jax.cluster.parts import arrived, read_part, write_part
from gancmri_jax.version import __version__

_one_at_a_time = threading.Lock()  # readers of files are not made for threads


class Orders(NamedTuple):
    """What is to be done.

    Attributes:
        do: Does one item; what it returns is dropped, so it leaves its result in files. Doing an
            item twice must leave the same.
        items: Its arguments.
        folder: Where the command runs, so that relative paths mean the same.
    """

    do: Callable[[Any], object]
    items: Sequence[Any]
    folder: pathlib.Path


class WrongWorkerError(Exception):
    """This worker can do no item of these orders; the message names no subject."""


def perform(index: int, orders: str, sha256: str, version: str) -> bool:
    """Do one item; return whether it went well, or else leave the error in a file.

    Args:
        index: Which item.
        orders: The file with the `Orders`; notes about items are written beside it.
        sha256: What that file must hold.
        version: Of the command's gancmri_jax.

    Raises:
        WrongWorkerError: The worker has another version, or does not see the files.
    """
    node = platform.node()
    if version != __version__:
        raise WrongWorkerError(
            f"worker on {node}: has gancmri_jax {__version__}, this command {version}; install the "
            "same version"
        )
    path = pathlib.Path(orders)
    if not arrived(path):
        raise WrongWorkerError(
            f"worker on {node}: does not see {path.parent.parent}; choose an --out that all "
            "machines share under one path"
        )
    with _one_at_a_time:
        do, items, folder = _read(path, sha256)
        if not folder.is_dir():
            raise WrongWorkerError(
                f"worker on {node}: has no folder {folder}, where this command runs; run it in a "
                "folder that all machines share"
            )
        begun = begun_file(path, index)
        with begun.open("ab") as file:  # a byte each time, so that deaths are counted
            file.write(b".")
        try:
            with contextlib.chdir(folder):
                do(items[index])
        except Exception as error:
            write_part(failed_file(path, index), _portable(error))
            return False
        begun.unlink()
    return True


def begun_file(orders: pathlib.Path, index: int) -> pathlib.Path:
    """Return the file that says how often an item was begun and not finished."""
    return orders.with_name(f"{index}.begun")


def failed_file(orders: pathlib.Path, index: int) -> pathlib.Path:
    """Return the file that holds an item's error."""
    return orders.with_name(f"{index}.failed")


@functools.lru_cache(maxsize=1)
def _read(path: pathlib.Path, sha256: str) -> Orders:
    keep_compiled_programs()  # before the orders import JAX
    return read_part(path, sha256)


def _portable(error: Exception) -> Exception:
    """Return an error that can be pickled: itself, without what it came from, or its text."""
    with contextlib.suppress(Exception):
        return pickle.loads(pickle.dumps(error.with_traceback(None)))
    return RuntimeError("".join(traceback.format_exception(error)))
