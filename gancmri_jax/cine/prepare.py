"""From cines to a folder of training records, with what was done written beside them.

The folder appears whole or not at all: all is made in a hidden sibling, which holds a file a
subject, and renamed in the end. A `prepare` that is killed leaves the sibling, and goes on from it.
"""

import dataclasses
import hashlib
import hmac
import json
import os
import pathlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gancmri_jax.atomic import sync, sync_tree
from gancmri_jax.cine.duplicates import find_duplicates, one_heart
from gancmri_jax.cine.layouts.found import ReadOptions, Subject
from gancmri_jax.cine.naming import Naming
from gancmri_jax.cine.not_taken import Remark, count_by_kind
from gancmri_jax.cine.phenotypes import (
    FLAGS,
    Phenotypes,
    match_rows,
    read_flags,
    write_phenotypes,
)
from gancmri_jax.cine.pictures import Box
from gancmri_jax.cine.pool import ProcessKilledError, stage_all
from gancmri_jax.cine.preprocess import Fit, check_percentiles
from gancmri_jax.cine.read import Extra, ignore, insist, tell_mismatch
from gancmri_jax.cine.records import check_records, seal, write_records
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.report import make_report, write_report
from gancmri_jax.cine.split import SPLITS, Split, split_subjects
from gancmri_jax.cine.staging import Staged, Task
from gancmri_jax.cine.subject import hash_subject, subject_key
from gancmri_jax.cine.subjects import (
    list_subjects,
    phase_frames,
    study_phenotypes,
    unused_files,
)
from gancmri_jax.cluster.client import ClusterError, check_scheduler
from gancmri_jax.errors import InputError
from gancmri_jax.lock import one_run
from gancmri_jax.version import __version__

CARD = "prepare.json"

Card = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Options:
    """What decides the records besides the input.

    See `preprocess`, `split_subjects` and, for files that need them, `ReadOptions`.
    """

    size: int = 256
    fit: Fit = "stretch"
    percentiles: tuple[float, float] = (1.0, 99.0)
    seed: int = 0
    keep_ids: bool = False
    slice: int | None = None
    mask_boxes: tuple[Box, ...] = ()
    spacing_mm: tuple[float, float] | None = None
    series: str | None = None
    time_axis: int | None = None

    def __post_init__(self) -> None:
        if self.size < 4:
            raise InputError(f"size {self.size} is too small for a heart; use --size 64 or 256")
        check_percentiles(self.percentiles)


def prepare(
    source: pathlib.Path,
    out: pathlib.Path,
    options: Options,
    *,
    on_refusal: Callable[[Refusal], None] = insist,
    on_subject: Callable[[int, int], None] = lambda done, total: None,
    on_extra: Callable[[Extra], None] = ignore,
    workers: int | None = 1,
    scheduler: str | None = None,
) -> Card:
    """Write records of all cines under a path; do nothing where they are there already.

    Args:
        source: A study's folder, or one subject's folder or file.
        out: Folder to make.
        options: How.
        on_refusal: Called with each file that is skipped; what it raises ends the work. By default
            a file that cannot be read is an error.
        on_subject: Is told how many subjects of how many are done.
        on_extra: Is told what was not taken, and how cines were chosen and timed.
        workers: Processes that read; None chooses by the number of subjects. More than one need a
            main module that can be imported, as all that `multiprocessing` spawns.
        scheduler: The Dask cluster whose workers read, in place of `workers`: an address, a
            scheduler file, or `local:N`. All machines must share `source` and `out`.

    Returns:
        The card that lies beside the records as `prepare.json`: options, counts of subjects,
        videos and frames by split, and why files were refused. A report lies there too.

    Raises:
        InputError: Nothing can be read, or `out` holds something else or is being made.
    """
    if scheduler is not None:
        check_scheduler(scheduler)
    if out.resolve().is_relative_to(source.resolve()):
        raise InputError(f"{out}: lies inside the input; write the records somewhere else")
    subjects = list_subjects(source)
    key = None if options.keep_ids else subject_key()
    card: Card = {
        "gancmri_jax": __version__,
        "options": json.loads(json.dumps(dataclasses.asdict(options))),
        "input": fingerprint_input(source, key or b""),
    }
    if earlier := _earlier(out, card):
        return earlier
    with one_run(out, "prepare", beside=True):
        if earlier := _earlier(out, card):  # another run has just finished
            return earlier
        return _prepare(
            source,
            out,
            options,
            subjects,
            key,
            card,
            on_refusal,
            on_subject,
            on_extra,
            workers,
            scheduler,
        )


def _prepare(
    source: pathlib.Path,
    out: pathlib.Path,
    options: Options,
    subjects: Sequence[Subject],
    key: bytes | None,
    card: Card,
    on_refusal: Callable[[Refusal], None],
    on_subject: Callable[[int, int], None],
    on_extra: Callable[[Extra], None],
    workers: int | None,
    scheduler: str | None,
) -> Card:
    """Do what `prepare` says, of subjects whose names are hashed with a key or kept."""
    naming = Naming(source, subjects, options.keep_ids)
    phenotypes = study_phenotypes(source)
    part = _workshop(out, card)
    reading = ReadOptions(
        options.slice,
        options.mask_boxes,
        options.spacing_mm,
        options.series,
        options.time_axis,
    )
    tasks = [
        Task(subject, reading, options.size, options.fit, options.percentiles, part)
        for subject in subjects
    ]
    not_taken = list(unused_files(source, subjects))
    try:
        for item in not_taken:
            on_extra(naming.extra(item))
        staged, refused, left = stage_all(
            tasks,
            workers,
            lambda refusal: on_refusal(naming.refusal(refusal)),
            on_subject,
            lambda extra: on_extra(naming.extra(extra)),
            scheduler,
        )
        if not staged:
            raise InputError(f"{naming.path(source)}: nothing in it can be read")
        names = {cine.subject for cine in staged} | {task.subject.name for task in tasks}
        written = {name: hash_subject(name, key) if key else name for name in names}
        matched = match_rows(phenotypes, {cine.subject for cine in staged})
        staged, impossible = _mark_phases(staged, tasks, matched.rows)
        for _, refusal in impossible:
            on_refusal(naming.refusal(refusal))
        if not staged:
            raise InputError(f"{naming.path(source)}: nothing in it can be read")
        card["refused"] = [
            {"subject": written[name], "reason": refusal.reason}
            | ({"path": str(refusal.path)} if options.keep_ids else {})
            for name, refusal in (*refused, *impossible)
        ]
        card["not_taken"] = {
            kind: item.count for kind, item in count_by_kind((*not_taken, *left)).items()
        }
        if phenotypes:
            card["phenotypes"] = {
                "rows_without_subject": [naming.name(n) for n in matched.rows_without_subject],
                "subjects_without_row": [naming.name(n) for n in matched.subjects_without_row],
            }
            if said := tell_mismatch(phenotypes, matched, naming, options.keep_ids):
                on_extra(Remark(source, f"phenotypes: {said}"))
        table = source / "phenotypes.csv"
        of_rows = read_flags(table) if table.is_file() else {}
        flags = {name: of_rows[row] for name, row in matched.row_of.items() if row in of_rows}
        records = _write(part / "records", card, staged, written, matched.rows, flags)
        sync_tree(records)
        place = out.resolve()  # which "." can no longer tell once it is replaced
        os.replace(records, place)
        sync(place.parent)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise InputError(
            f"{out}: cannot be written ({error.strerror or type(error).__name__})"
        ) from error
    except (ProcessKilledError, ClusterError) as error:  # what is staged is sound
        if isinstance(error, ClusterError) and not any(task.path.is_file() for task in tasks):
            shutil.rmtree(part, ignore_errors=True)
        raise
    except InputError:
        shutil.rmtree(part, ignore_errors=True)
        raise
    shutil.rmtree(part)
    return card


def _mark_phases(
    staged: Sequence[Staged], tasks: Sequence[Task], rows: Phenotypes
) -> tuple[list[Staged], list[tuple[str, Refusal]]]:
    """Set ED and ES by rows of phenotypes, where a subject's place has one cine.

    Returns:
        The cines, and refusals with subjects' names where a row names a frame that is not there.
    """
    places = {task.path: task.subject.path for task in tasks}
    how_many = Counter((cine.path, cine.subject) for cine in staged)
    marked: list[Staged] = []
    impossible: list[tuple[str, Refusal]] = []
    for cine in staged:
        frames: dict[str, int] | str = {}
        if how_many[cine.path, cine.subject] == 1:
            frames = phase_frames(rows.get(cine.subject, {}), cine.summary["frames"])
        if isinstance(frames, str):
            impossible.append((cine.subject, Refusal(places[cine.path], frames)))
        else:
            marked.append(dataclasses.replace(cine, fields=cine.fields | frames))
    return marked, impossible


def _write(
    records: pathlib.Path,
    card: Card,
    staged: Sequence[Staged],
    written: Mapping[str, str],
    phenotypes: Phenotypes,
    flags: Mapping[str, str],
) -> pathlib.Path:
    """Write records and all that lies beside them, and complete the card."""
    shutil.rmtree(records, ignore_errors=True)
    equal, alike = find_duplicates(
        [cine.summary["pixels_sha256"] for cine in staged],
        np.stack([cine.likeness() for cine in staged]),
    )
    assigned = _split(staged, equal + alike, card["options"]["seed"])
    write_records(records, {split: _cines(staged, assigned, split, written) for split in SPLITS})
    rows: dict[str, dict[str, float | str]] = {
        written[n]: {**phenotypes[n]} for n in sorted(assigned) if n in phenotypes
    }
    if flags:
        for name in assigned:
            if name in phenotypes:
                rows[written[name]][FLAGS] = flags.get(name, "")
    if rows:
        write_phenotypes(records / "phenotypes.csv", rows, digits=None)
    card |= _counts(staged, assigned)
    card["duplicates"] = {"equal": len(equal), "alike": len(alike)}
    write_report(records, make_report(card, staged, assigned, written, equal, alike), staged)
    (records / CARD).write_text(json.dumps(card, indent=2) + "\n")
    seal(records)
    return records


def _workshop(out: pathlib.Path, card: Card) -> pathlib.Path:
    """Return the folder to work in: what is left of the same command, or else a new one."""
    place = out.resolve()  # "." has no name of its own
    part = place.with_name(f".{place.name}.prepare")
    begun = json.dumps(card)
    try:
        if not (part / CARD).is_file() or (part / CARD).read_text() != begun:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True, mode=0o700)
            (part / CARD).write_text(begun)
    except OSError as error:
        raise InputError(f"{out}: cannot be made ({error.strerror}); choose another") from error
    return part


def _split(
    staged: Sequence[Staged], duplicates: Sequence[tuple[int, int]], seed: int
) -> dict[str, Split]:
    """Assign subjects to splits, those that are one heart to one."""
    pairs = [(staged[i].subject, staged[j].subject) for i, j in duplicates]
    hearts = one_heart((cine.subject for cine in staged), pairs)
    assigned = split_subjects(hearts.values(), seed)
    return {name: assigned[heart] for name, heart in hearts.items()}


def _cines(
    staged: Sequence[Staged], assigned: dict[str, Split], split: Split, written: Mapping[str, str]
) -> Iterator:
    for cine in staged:
        if assigned[cine.subject] == split:
            yield cine.cine(written[cine.subject])


def _counts(staged: Sequence[Staged], assigned: dict[str, Split]) -> Card:
    frames: Counter[str] = Counter()
    for cine in staged:
        frames[assigned[cine.subject]] += cine.summary["frames"]
    return {
        "subjects": dict(Counter(assigned.values())),
        "videos": dict(Counter(assigned[cine.subject] for cine in staged)),
        "frames": dict(frames),
    }


def _earlier(out: pathlib.Path, card: Card) -> Card | None:
    """Return the card of a folder that holds just what is asked for."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        earlier = json.loads((out / CARD).read_text())
    except (OSError, ValueError, RecursionError):
        raise InputError(
            f"{out}: is there already and holds no finished records; remove it or choose another"
        ) from None
    check_records(out)
    defaults = json.loads(json.dumps(dataclasses.asdict(Options())))  # older cards lack some
    before, now = ({**defaults, **c["options"], "input": c["input"]} for c in (earlier, card))
    if changed := [name for name in now if before.get(name) != now[name]]:
        raise InputError(
            f"{out}: holds records made with another {' and '.join(changed)}; remove it or choose "
            "another --out"
        )
    return earlier


def fingerprint_input(source: pathlib.Path, key: bytes) -> str:
    """Return a keyed hash of the names, sizes and times of change of all files."""
    digest = hmac.new(key, digestmod=hashlib.sha256)
    files = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file())
    for file in files:
        stat = file.stat()
        line = f"{file.relative_to(source)}\0{stat.st_size}\0{stat.st_mtime_ns}\0"
        digest.update(line.encode())
    return digest.hexdigest()[:16]
