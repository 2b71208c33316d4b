"""Cines from whatever holds them: records, a study, a subject's folder, a file."""

import dataclasses
import itertools
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cine.naming import Naming
from gancmri_jax.cine.not_taken import NotTaken, Remark
from gancmri_jax.cine.phenotypes import Matched, PhenotypeTable, match_rows, mismatch
from gancmri_jax.cine.preprocess import Fit, preprocess
from gancmri_jax.cine.records import Records, is_records, record_splits
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.subject import hash_subject, subject_key
from gancmri_jax.cine.subjects import (
    list_subjects,
    read_subject,
    study_phenotypes,
    unused_files,
)
from gancmri_jax.errors import InputError

Extra = NotTaken | Remark


def ignore(extra: Extra) -> None:
    """Take no notice of what was not taken, and of how cines were chosen and timed."""


def insist(refusal: Refusal) -> None:
    """Take a file that cannot be read as an error."""
    raise InputError(f"{refusal.path}: {refusal.reason}")


def read_cines(
    path: str | os.PathLike[str],
    on_refusal: Callable[[Refusal], None] = insist,
    options: ReadOptions | None = None,
    split: str | None = None,
    on_extra: Callable[[Extra], None] = ignore,
    keep_ids: bool = False,
) -> list[Cine]:
    """Read all cines of a path as they are; what cannot be read goes to `on_refusal`.

    Args:
        path: Records, a study, a subject's folder or a file.
        on_refusal: Is told of each file that is skipped.
        options: How files are read.
        split: Of records, only this one.
        on_extra: Is told what was not taken, and how cines were chosen and timed.
        keep_ids: Name subjects in messages as they are called, not by their hashes.

    Raises:
        InputError: Nothing can be read.
    """
    path = pathlib.Path(path)
    each = _each(path, on_refusal, options, split, on_extra, keep_ids)
    return _some(path, (cine for _, cine in each), keep_ids)


def read_model_cines(
    path: pathlib.Path,
    size: int,
    *,
    fit: Fit = "stretch",
    percentiles: tuple[float, float] = (1.0, 99.0),
    keep_ids: bool = False,
    on_refusal: Callable[[Refusal], None] = insist,
    options: ReadOptions | None = None,
    split: str | None = None,
    most: int | None = None,
    on_extra: Callable[[Extra], None] = ignore,
) -> Sequence[Cine]:
    """Read the cines of a path as `gancmri prepare` would have written them: uint8 [t size size].

    Records come as they are, and each cine of them is read when it is asked for: they need not fit
    into memory. Anything else is windowed and resized, and its subjects' names are hashed unless
    `keep_ids`. No more are read than the first `most`.

    Raises:
        InputError: Nothing can be read, or records have another size.
    """
    if is_records(path):
        records = open_records(path, options, split, most)
        if records[0].pixels.shape[1:] != (size, size):
            raise InputError(
                f"{path}: holds frames of {records[0].pixels.shape[1:]}, the model takes "
                f"{(size, size)}; give the original cines, or prepare them with --size {size}"
            )
        return records
    key = None if keep_ids else subject_key()

    def model_cines() -> Iterator[Cine]:
        for place, cine in _each(path, on_refusal, options, split, on_extra, keep_ids):
            try:
                cine = preprocess(cine, size, fit, percentiles)
            except InputError as error:
                on_refusal(Refusal(place, str(error).removeprefix(f"{cine.subject}: ")))
                continue
            yield (
                dataclasses.replace(cine, subject=hash_subject(cine.subject, key)) if key else cine
            )

    return _some(path, itertools.islice(model_cines(), most), keep_ids)


def _each(
    path: pathlib.Path,
    on_refusal: Callable[[Refusal], None],
    options: ReadOptions | None,
    split: str | None,
    on_extra: Callable[[Extra], None],
    keep_ids: bool,
) -> Iterator[tuple[pathlib.Path, Cine]]:
    """Yield each cine with its place, as messages may show it."""
    if is_records(path):
        yield from ((path, cine) for cine in open_records(path, options, split))
        return
    subjects = list_subjects(path)
    naming = Naming(path, subjects, keep_ids)
    for left in unused_files(path, subjects):
        on_extra(naming.extra(left))
    table = study_phenotypes(path)
    # Persons that are told apart by their files' headers alone are looked up by their own names.
    rows = table | match_rows(table, (subject.name for subject in subjects)).rows
    seen: list[str] = []
    for subject in subjects:
        for item in read_subject(subject, rows, options):
            if isinstance(item, Cine):
                for note in item.notes:
                    on_extra(naming.extra(Remark(subject.path, note)))
                seen.append(item.subject)
                yield naming.path(subject.path), item
            elif isinstance(item, NotTaken):
                on_extra(naming.extra(item))
            else:
                on_refusal(naming.refusal(item))
    if table and (said := tell_mismatch(table, match_rows(table, seen), naming, keep_ids)):
        on_extra(Remark(path, f"phenotypes: {said}"))


def tell_mismatch(table: PhenotypeTable, matched: Matched, naming: Naming, keep_ids: bool) -> str:
    """Say which rows, by their lines, and which subjects have no counterpart."""
    rows = {name: name for name in table} if keep_ids else table.lines
    subjects = {name: naming.name(name) for name in matched.subjects_without_row}
    return mismatch(matched, rows, subjects)


def open_records(
    path: pathlib.Path, options: ReadOptions | None, split: str | None, most: int | None = None
) -> Records:
    """Open records, all splits or one; refuse options that come too late for them."""
    if options not in (None, ReadOptions()):
        raise InputError(
            f"{path}: holds records, which --slice, --mask-box, --spacing-mm, --series and "
            "--time-axis come too late for; give them to `gancmri prepare`"
        )
    splits = record_splits(path) if split is None else [split]
    return Records(path, *splits, most=most)


def _some(path: pathlib.Path, cines: Iterator[Cine], keep_ids: bool) -> list[Cine]:
    if not (found := list(cines)):
        raise InputError(f"{input_path(path, keep_ids)}: nothing in it can be read")
    return found


def input_path(path: pathlib.Path, keep_ids: bool) -> pathlib.Path:
    """Return an input's path as messages may show it: it may be one subject's own."""
    return path if is_records(path) else Naming(path, list_subjects(path), keep_ids).path(path)
