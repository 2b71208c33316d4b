"""Projection by the workers of a Dask cluster, a video each; the command alone writes the store.

A worker leaves a video's codes in a part of its own, whatever the store looks like. A code depends
on the other frames of its batch by rounding alone, so codes are those of one machine.
"""

import contextlib
import dataclasses
import functools
import pathlib
from collections.abc import Iterator, Sequence

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.records import Records
from gancmri_jax.cluster.client import ClusterError, WorkersDiedError, do_all
from gancmri_jax.cluster.parts import read_part, write_part
from gancmri_jax.errors import InputError
from gancmri_jax.projection.batch import suitable_batch
from gancmri_jax.projection.modes import MODES, Mode, Work
from gancmri_jax.projection.store import VideoCodes

MOST_NAMED = 10  # lost subjects in one line


@dataclasses.dataclass(frozen=True)
class Plan:
    """What all tasks of a study share; a batch of 0 is what suits the worker."""

    mode: Mode
    work: Work
    folder: pathlib.Path

    @functools.cached_property
    def whole_work(self) -> Work:
        """The work with a batch size."""
        work = self.work
        size = work.batch_size or suitable_batch(work.model, work.settings)
        return work._replace(batch_size=size)


@dataclasses.dataclass(frozen=True)
class Task:
    """A video, by its number."""

    plan: Plan
    video: int

    @property
    def part(self) -> pathlib.Path:
        """Where its codes are kept until they are in the store."""
        return self.plan.folder / f"{self.video}.part"


def insist_records(cines: Sequence[Cine]) -> None:
    """Refuse cines that workers cannot read one by one."""
    if not isinstance(cines, Records):
        raise InputError(
            "--scheduler projects training records, which workers read for themselves; write them "
            "with `gancmri prepare`"
        )


def search_over_cluster(
    scheduler: str, mode: Mode, work: Work, folder: pathlib.Path
) -> Iterator[tuple[int, VideoCodes]]:
    """Yield videos of records as they are done, as a mode of `MODES` does.

    Args:
        scheduler: See `do_all`.
        mode: How videos are projected.
        work: What is to be projected.
        folder: For parts, which all machines share (`workshop`). A part is removed when the second
            video after it is asked for: then the store has it.

    Raises:
        InputError: The cluster cannot be used, or, after all other videos, some ended their
            workers.
    """
    plan = Plan(mode, work._replace(on_steps=_ignore), folder)
    tasks = [Task(plan, video) for video in work.videos]
    ready = [task.part.is_file() for task in tasks]
    waiting = [task for task, there in zip(tasks, ready, strict=True) if not there]
    yielded: list[Task] = []
    lost: list[str] = []

    def collected(task: Task) -> tuple[int, VideoCodes]:
        for written in yielded[:-1]:
            written.part.unlink()
        yielded[:] = [*yielded[-1:], task]
        work.on_steps(len(work.frames[task.video]) * work.settings.num_steps)
        return task.video, read_part(task.part)

    for task, there in zip(tasks, ready, strict=True):
        if there:
            yield collected(task)
    with contextlib.closing(do_all(scheduler, "project", search, waiting, folder)) as results:
        for index, error in results:
            if isinstance(error, WorkersDiedError):
                lost.append(work.cines[waiting[index].video].subject)
                reason = error
            elif error is not None:
                raise error
            else:
                yield collected(waiting[index])
    if lost:
        more = f" and {len(lost) - MOST_NAMED} more" if len(lost) > MOST_NAMED else ""
        raise ClusterError(
            f"{', '.join(lost[:MOST_NAMED])}{more}: not projected, for {reason}; the others are "
            "done: run the same command again"
        )


def search(task: Task) -> None:
    """Project a video, and leave its codes in its part."""
    work = task.plan.whole_work._replace(videos=[task.video])
    ((_, found),) = MODES[task.plan.mode](work)
    write_part(task.part, found)


def _ignore(steps: float) -> None:
    """Take no notice of steps: the command counts videos."""
