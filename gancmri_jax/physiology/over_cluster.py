"""Segmentation of a study by the workers of a Dask cluster, a subject (or a record) each.

Workers write a subject's files into a folder of its own, and what they found into a part beside it;
at the end the command moves the files to where `gancmri segment` writes them on one machine. Cines
are nameless on their way: only the command knows how a subject's name may be shown.
"""

import contextlib
import dataclasses
import json
import math
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.layouts.found import ReadOptions, Subject
from gancmri_jax.cine.naming import Naming
from gancmri_jax.cine.not_taken import NotTaken, Remark
from gancmri_jax.cine.phenotypes import Phenotypes, PhenotypeTable, match_rows
from gancmri_jax.cine.prepare import fingerprint_input
from gancmri_jax.cine.read import Extra, input_path, open_records, tell_mismatch
from gancmri_jax.cine.records import Records, is_records
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.subject import subject_key
from gancmri_jax.cine.subjects import (
    list_subjects,
    read_subject,
    study_phenotypes,
    unused_files,
)
from gancmri_jax.cluster.client import ClusterError, WorkersDiedError, check_scheduler, do_all
from gancmri_jax.cluster.parts import read_part, workshop, write_part
from gancmri_jax.errors import InputError
from gancmri_jax.lock import one_run
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.physiology.outputs import numbered, segment_cine
from gancmri_jax.physiology.phenotypes import Findings
from gancmri_jax.segmentation.whole import Papillary
from gancmri_jax.version import __version__

PARTS = ".segment"  # in the output folder
_NAMELESS = "<subject>"  # of a cine, in messages, until the command names it


class Segmented(NamedTuple):
    """What a cine came to.

    Attributes:
        subject: Whose it is.
        spacing_known: Whether areas are known.
        findings: What was measured, or why nothing was: an error's text.
    """

    subject: str
    spacing_known: bool
    findings: Findings | str


@dataclasses.dataclass(frozen=True)
class Plan:
    """What all tasks of a study share."""

    segmenter: Segmenter
    papillary: Papillary
    intervals: bool
    source: Sequence[Subject] | Records
    rows: Phenotypes
    reading: ReadOptions
    folder: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Task:
    """A subject, or a record, by its number."""

    plan: Plan
    index: int

    @property
    def part(self) -> pathlib.Path:
        """Where what was found is kept."""
        return self.plan.folder / f"{self.index}.part"

    def files(self, cine: int) -> pathlib.Path:
        """Return the folder of one of its cines, until it is moved."""
        return self.plan.folder / str(self.index) / str(cine)


def segment_over_cluster(
    scheduler: str,
    segmenter: Segmenter,
    source: pathlib.Path,
    out: pathlib.Path,
    reading: ReadOptions,
    *,
    keep_ids: bool = False,
    papillary: Papillary = "pool",
    intervals: bool = False,
    on_refusal: Callable[[Refusal], None],
    on_extra: Callable[[Extra], None],
    on_task: Callable[[int, int], object] = lambda done, total: None,
) -> dict[str, Segmented]:
    """Segment all cines of a path, and return what each came to, by the name of its folder.

    Args:
        scheduler: See `do_all`.
        segmenter: What finds the chambers; workers get it with their orders.
        source: Cines or records, which all machines share.
        out: Output folder, which all machines share.
        reading: How files are read.
        keep_ids: Show and write subjects' names instead of keyed hashes.
        papillary, intervals: See `segment_cine`.
        on_refusal: Called with each file that is skipped, as subjects are done.
        on_extra: Called with what was not taken, and how cines were chosen and timed.
        on_task: Called with the number of subjects done, of how many.

    Raises:
        InputError: Nothing can be read, or the cluster cannot be used.
    """
    check_scheduler(scheduler)
    subjects: Sequence[Subject] = ()
    records = None
    if is_records(source):
        records = open_records(source, reading, None)
    else:
        subjects = list_subjects(source)
    naming = Naming(source, subjects, keep_ids or records is not None)
    table = PhenotypeTable({}, {}) if records is not None else study_phenotypes(source)
    rows = table | match_rows(table, (subject.name for subject in subjects)).rows
    options = {name: value for name, value in vars(reading).items() if name != "chooser"}
    card = {
        "gancmri_jax": __version__,
        "segmenter": segmenter.fingerprint,
        "papillary": papillary,
        "intervals": intervals,
        "reading": json.loads(json.dumps(options)),
        "input": fingerprint_input(source, b"" if keep_ids else subject_key()),
    }
    with one_run(out, "segment"):
        folder = workshop(out.resolve() / PARTS, card)
        source_of: Sequence[Subject] | Records = subjects if records is None else records
        plan = Plan(segmenter, papillary, intervals, source_of, rows, reading, folder)
        tasks = [Task(plan, index) for index in range(len(source_of))]
        if records is None:
            for left in unused_files(source, subjects):
                on_extra(naming.extra(left))

        def say(task: Task) -> None:
            for item in read_part(task.part)[1]:
                if isinstance(item, Refusal):
                    on_refusal(naming.refusal(item))
                else:
                    on_extra(naming.extra(item))

        try:
            _do(scheduler, tasks, say, on_task)
        except ClusterError:
            if not any(task.part.is_file() for task in tasks):
                shutil.rmtree(folder)
            raise
        found = [read_part(task.part)[0] for task in tasks]
        seen = [cine.subject for cines in found for cine in cines]
        if table and (said := tell_mismatch(table, match_rows(table, seen), naming, keep_ids)):
            on_extra(Remark(source, f"phenotypes: {said}"))
        if not seen:
            shutil.rmtree(folder)
            raise InputError(f"{input_path(source, keep_ids)}: nothing in it can be read")
        named = _collect(out, tasks, found, naming)
        shutil.rmtree(folder)
    return named


def segment_subject(task: Task) -> None:
    """Segment a subject's cines: leave their files in folders of its own, and what was found."""
    plan = task.plan
    shutil.rmtree(task.files(0).parent, ignore_errors=True)
    cines: list[Segmented] = []
    rest: list[Refusal | NotTaken | Remark] = []
    for item in _read(plan, task.index):
        if not isinstance(item, Cine):
            rest.append(item)
            continue
        if not isinstance(plan.source, Records):
            place = plan.source[task.index].path
            rest += [Remark(place, note) for note in item.notes]
        nameless = dataclasses.replace(item, subject=_NAMELESS)
        found: Findings | str
        try:
            _, found = segment_cine(
                plan.segmenter, nameless, task.files(len(cines)), plan.papillary, plan.intervals
            )
        except InputError as error:
            found = str(error)
        cines.append(Segmented(item.subject, not math.isnan(item.spacing_mm[0]), found))
    write_part(task.part, (cines, rest))


def _read(plan: Plan, index: int) -> Iterator[Cine | Refusal | NotTaken]:
    if isinstance(plan.source, Records):
        yield plan.source[index]
    else:
        yield from read_subject(plan.source[index], plan.rows, plan.reading)


def _do(
    scheduler: str,
    tasks: Sequence[Task],
    say: Callable[[Task], None],
    on_task: Callable[[int, int], object],
) -> None:
    """Do the tasks whose parts are not there yet, and say what each part holds."""
    waiting = []
    for task in tasks:
        if task.part.is_file():
            say(task)
        else:
            waiting.append(task)
    done = len(tasks) - len(waiting)
    on_task(done, len(tasks))
    folder = tasks[0].plan.folder
    with contextlib.closing(
        do_all(scheduler, "segment", segment_subject, waiting, folder)
    ) as results:
        for index, error in results:
            task = waiting[index]
            if isinstance(error, WorkersDiedError):
                source = task.plan.source
                if isinstance(source, Records):  # its name is hashed, and is no path
                    place = pathlib.Path(source[task.index].subject)
                else:
                    place = source[task.index].path
                write_part(task.part, ([], [Refusal(place, str(error))]))
            elif error is not None:
                raise error
            say(task)
            done += 1
            on_task(done, len(tasks))


def _collect(
    out: pathlib.Path,
    tasks: Sequence[Task],
    found: Sequence[Sequence[Segmented]],
    naming: Naming,
) -> dict[str, Segmented]:
    """Move each cine's files to the folder of its name; go on where this was broken off."""
    shown = [naming.name(cine.subject) for cines in found for cine in cines]
    names = iter(numbered(shown))
    named: dict[str, Segmented] = {}
    for task, cines in zip(tasks, found, strict=True):
        for index, cine in enumerate(cines):
            name = next(names)
            who = naming.name(cine.subject)
            if isinstance(cine.findings, str):
                cine = cine._replace(findings=cine.findings.replace(_NAMELESS, who))
            named[name] = cine._replace(subject=who)
            if (folder := task.files(index)).is_dir():
                (out / name).mkdir(exist_ok=True)
                for file in folder.iterdir():
                    os.replace(file, out / name / file.name)
    return named
