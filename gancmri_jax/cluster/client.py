"""A command's side of a Dask cluster: hand out subjects by number, and hear how each went.

Dask is imported here alone, and only when a scheduler is named. Tasks that lose their worker are
given to another by Dask; here is decided when a subject, and not chance, ends its workers.
"""

import concurrent.futures
import contextlib
import importlib.util
import json
import logging
import pathlib
import pydoc
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from gancmri_jax.cluster.parts import read_part, write_part
from gancmri_jax.cluster.worker import (
    Orders,
    WrongWorkerError,
    begun_file,
    failed_file,
    perform,
)
from gancmri_jax.errors import InputError
from gancmri_jax.version import __version__

MOST_DEATHS = 3  # of workers that had begun the same subject
LOCAL = re.compile(r"local:([1-9]\d{0,3})")
_CONNECT_S = 30


class ClusterError(InputError):
    """The cluster cannot be used, or was lost; what workers have finished stays."""


class WorkersDiedError(InputError):
    """Every worker that began a subject died; the message is a reason, as a refusal has."""


def check_scheduler(scheduler: str) -> None:
    """Refuse a scheduler that cannot be meant, before anything is done.

    Raises:
        InputError: Dask is not installed, or the text is no address.
    """
    if importlib.util.find_spec("distributed") is None:
        raise InputError(
            "--scheduler needs Dask, which is not installed; pip install 'gancmri_jax[cluster]'"
        )
    if not (
        LOCAL.fullmatch(scheduler)
        or pathlib.Path(scheduler).is_file()
        or re.fullmatch(r"(\w+://)?(?!local:)[^\s/]+:\d+", scheduler)
    ):
        raise InputError(
            f"--scheduler {scheduler}: must be an address such as tcp://10.0.0.1:8786, a scheduler "
            "file of Dask's, or local:N for N processes of this machine"
        )


def do_all(
    scheduler: str,
    verb: str,
    do: Callable[[Any], object],
    items: Sequence[Any],
    folder: pathlib.Path,
) -> Generator[tuple[int, Exception | None]]:
    """Do items on a cluster; yield each one's number as it is done, and its error if it failed.

    Args:
        scheduler: As `check_scheduler` takes it.
        verb: Begins the tasks' names on Dask's dashboard.
        do: See `Orders`.
        items: Its arguments, a subject each.
        folder: An existing folder, which all machines share and only the user may read.

    Raises:
        ClusterError: The scheduler cannot be reached or was lost, or a worker has another version
            of gancmri_jax or does not see the folder.
    """
    check_scheduler(scheduler)
    if not items:
        return
    token = secrets.token_hex(8)
    place = folder.resolve() / f"cluster-{token}"
    place.mkdir(mode=0o700)
    try:
        orders = place / "orders"
        sha256 = write_part(orders, Orders(do, items, pathlib.Path.cwd()))
        yield from _hand_out(scheduler, f"{verb}-{token}", orders, sha256, len(items))
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _hand_out(
    scheduler: str, name: str, orders: pathlib.Path, sha256: str, count: int
) -> Iterator[tuple[int, Exception | None]]:
    from distributed import KilledWorker, as_completed

    with _connected(scheduler) as client:
        _check_versions(client)
        if not client.nthreads():
            print(f"note: {scheduler}: has no workers yet; waiting for the first", file=sys.stderr)
        numbers: dict[str, int] = {}

        def submit(indices: Sequence[int], attempt: int) -> list[Any]:
            keys = [f"{name}-{index}-{attempt}" for index in indices]
            numbers.update(zip(keys, indices, strict=True))
            fixed = {"orders": str(orders), "sha256": sha256, "version": __version__}
            return client.map(perform, indices, key=keys, pure=False, **fixed)

        with client.as_current():
            running = as_completed(submit(range(count), 0))
        for attempt, future in enumerate(running, 1):
            index = numbers.pop(future.key)
            if future.status == "finished":
                yield index, None if future.result() else _failure(orders, index)
                continue
            if future.status != "error":
                raise ClusterError(_lost(scheduler))
            error = future.exception()
            if isinstance(error, WrongWorkerError):
                raise ClusterError(str(error))
            if not isinstance(error, KilledWorker):
                raise ClusterError(
                    f"--scheduler {scheduler}: a worker cannot run this command's tasks "
                    f"({type(error).__name__}: {' '.join(str(error).split())[:300]}); install the "
                    "same packages on all machines"
                )
            # Dask counts a death against all tasks that the worker had been given.
            begun = begun_file(orders, index)
            if (deaths := begun.stat().st_size if begun.exists() else 0) < MOST_DEATHS:
                running.update(submit([index], attempt))
            else:
                yield index, _died(deaths)


def _failure(orders: pathlib.Path, index: int) -> Exception:
    error = read_part(failed_file(orders, index))
    return _died(1) if isinstance(error, MemoryError) else error


def _died(deaths: int) -> WorkersDiedError:
    times = f"{deaths} workers that began it died" if deaths > 1 else "memory ran out"
    return WorkersDiedError(f"{times}; give workers more memory, or look at the file")


def _lost(scheduler: str) -> str:
    return (
        f"--scheduler {scheduler}: the connection was lost; what is finished is kept: run the same "
        "command again"
    )


@contextlib.contextmanager
def _connected(scheduler: str) -> Iterator[Any]:
    """Connect to a scheduler; start one, with its workers, for `local:N`."""
    from distributed import Client, LocalCluster

    with contextlib.ExitStack() as until_the_end:
        where: dict[str, Any] = {"address": scheduler}
        try:
            if local := LOCAL.fullmatch(scheduler):
                cluster = LocalCluster(
                    n_workers=int(local[1]),
                    threads_per_worker=1,
                    dashboard_address=":0",  # a port of its own, for another may run
                    silence_logs=logging.CRITICAL,
                )
                where = {"address": until_the_end.enter_context(cluster)}
            elif pathlib.Path(scheduler).is_file():
                json.loads(pathlib.Path(scheduler).read_text())  # Dask waits for what is no JSON
                where = {"scheduler_file": scheduler}
            client = Client(**where, timeout=_CONNECT_S, set_as_default=False)
            until_the_end.enter_context(client)
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"--scheduler {scheduler}: no Dask scheduler answers there "
                f"({type(error).__name__}); start one with `dask scheduler`"
            ) from error
        try:
            yield client
        except (OSError, concurrent.futures.CancelledError) as error:
            raise ClusterError(_lost(scheduler)) from error


def _check_versions(client: Any) -> None:
    """Compare versions of gancmri_jax on the scheduler and on the workers that are there.

    Asked by a function of Python's own, which runs where gancmri_jax lacks or is another.
    """
    asked = (pydoc.locate, "gancmri_jax.version.__version__")
    found = {"scheduler": client.run_on_scheduler(*asked)}
    found |= client.run(*asked, on_error="return")
    for machine, version in found.items():
        if isinstance(version, Exception) and not isinstance(version, pydoc.ErrorDuringImport):
            continue  # it has just gone
        if version != __version__:
            has = f"gancmri_jax {version}" if isinstance(version, str) else "no gancmri_jax"
            who = machine if machine == "scheduler" else f"worker {machine}"
            raise ClusterError(
                f"{who}: has {has}, this command has {__version__}; install the same version"
            )
