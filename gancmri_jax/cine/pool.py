"""Subjects staged by several processes or machines at once, each as soon as one is free."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import pathlib
from collections.abc import Callable, Generator, Sequence

from gancmri_jax.cine.not_taken import NotTaken, Remark
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.staging import Staged, Task, read_staged, stage, stage_refusal
from gancmri_jax.cluster.client import ClusterError, WorkersDiedError, do_all
from gancmri_jax.cluster.parts import arrived
from gancmri_jax.errors import InputError

FEW_SUBJECTS = 32  # below, starting processes takes longer than they save
MOST_WORKERS = 8  # by default; reading is soon as fast as the disk


class ProcessKilledError(InputError):
    """A process died of something else than what it read."""


def stage_all(
    tasks: Sequence[Task],
    workers: int | None,
    on_refusal: Callable[[Refusal], None],
    on_subject: Callable[[int, int], None],
    on_extra: Callable[[NotTaken | Remark], None],
    scheduler: str | None = None,
) -> tuple[list[Staged], list[tuple[str, Refusal]], list[NotTaken]]:
    """Stage what is not staged yet; return all cines, all refusals with their subjects' names, and
    what was not taken.

    Args:
        tasks: A subject each.
        workers: Processes; None chooses by the number of subjects that wait.
        on_refusal: Is told of each refusal.
        on_subject: Is told how many subjects of how many are done.
        on_extra: Is told what was not taken, and how cines were chosen and timed.
        scheduler: Of the Dask cluster whose workers stage, in place of `workers` (`do_all`).

    Raises:
        ProcessKilledError: Somebody killed a process; what is staged stays.
        ClusterError: The cluster cannot be used; what is staged stays.
    """
    waiting = [task for task in tasks if not task.path.is_file()]
    done = len(tasks) - len(waiting)
    on_subject(done, len(tasks))
    places = {task.path: task.subject.path for task in tasks}

    def tell(path: pathlib.Path) -> None:
        cines, refusals, not_taken = read_staged(path)
        for refusal in refusals:
            on_refusal(refusal)
        for note in (note for cine in cines for note in cine.fields["notes"]):
            on_extra(Remark(places[path], note))
        for item in not_taken:
            on_extra(item)

    for path in (task.path for task in tasks if task.path.is_file()):
        tell(path)
    staging = _stage(waiting, workers) if scheduler is None else _hand_out(waiting, scheduler)
    with contextlib.closing(staging) as paths:
        for path in paths:
            done += 1
            tell(path)
            on_subject(done, len(tasks))
    staged: list[Staged] = []
    refused: list[tuple[str, Refusal]] = []
    left: list[NotTaken] = []
    for task in tasks:
        cines, refusals, not_taken = read_staged(task.path)
        staged += cines
        refused += [(task.subject.name, refusal) for refusal in refusals]
        left += not_taken
    return staged, refused, left


def _stage(tasks: Sequence[Task], workers: int | None) -> Generator[pathlib.Path]:
    if workers is None:
        few = len(tasks) < FEW_SUBJECTS
        workers = 1 if few else min(os.cpu_count() or 1, MOST_WORKERS)
    if workers <= 1:
        yield from map(stage, tasks)
        return
    # A new interpreter each, because a forked one may inherit threads' locks.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, context) as pool:
        try:
            futures = [pool.submit(stage, task) for task in tasks]
            for future in concurrent.futures.as_completed(futures):
                yield future.result()
        except concurrent.futures.process.BrokenProcessPool as error:
            raise ProcessKilledError(
                "a reading process was killed, for want of memory perhaps; run the same command "
                "with fewer --workers"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _hand_out(tasks: Sequence[Task], scheduler: str) -> Generator[pathlib.Path]:
    """Let a cluster's workers stage; a subject that ends its workers is refused."""
    if not tasks:
        return
    with contextlib.closing(do_all(scheduler, "prepare", stage, tasks, tasks[0].folder)) as done:
        for index, error in done:
            if isinstance(error, WorkersDiedError):
                stage_refusal(tasks[index], str(error))
            elif error is not None:
                raise error
            elif not arrived(tasks[index].path):
                raise ClusterError(
                    f"{tasks[index].path.name}: was staged and is not here; run the same command "
                    "again"
                )
            yield tasks[index].path
