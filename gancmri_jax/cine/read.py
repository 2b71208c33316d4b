"""Cines from whatever holds them: records, a study, a subject's folder, a file."""

import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterator

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cine.preprocess import Fit, preprocess
from gancmri_jax.cine.records import Records, is_records, record_splits
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.subject import hash_subject, subject_key
from gancmri_jax.cine.subjects import list_subjects, read_subject, study_phenotypes
from gancmri_jax.errors import InputError


def insist(refusal: Refusal) -> None:
    """Take a file that cannot be read as an error."""
    raise InputError(f"{refusal.path}: {refusal.reason}")


def read_cines(
    path: pathlib.Path,
    on_refusal: Callable[[Refusal], None] = insist,
    options: ReadOptions | None = None,
    split: str | None = None,
) -> list[Cine]:
    """Read all cines of a path as they are; what cannot be read goes to `on_refusal`.

    Args:
        path: Records, a study, a subject's folder or a file.
        on_refusal: Is told of each file that is skipped.
        options: How files are read.
        split: Of records, only this one.

    Raises:
        InputError: Nothing can be read.
    """
    return _some(path, (cine for _, cine in _each(path, on_refusal, options, split)))


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
) -> list[Cine]:
    """Read the cines of a path as `gancmri prepare` would have written them: uint8 [t size size].

    Records come as they are; anything else is windowed and resized, and its subjects' names are
    hashed unless `keep_ids`. No more are read than the first `most`.

    Raises:
        InputError: Nothing can be read, or records have another size.
    """
    key = None if keep_ids or is_records(path) else subject_key()

    def model_cines() -> Iterator[Cine]:
        for place, cine in _each(path, on_refusal, options, split):
            if not is_records(path):
                try:
                    cine = preprocess(cine, size, fit, percentiles)
                except InputError as error:
                    on_refusal(Refusal(place, str(error).removeprefix(f"{cine.subject}: ")))
                    continue
            elif cine.pixels.shape[1:] != (size, size):
                raise InputError(
                    f"{path}: holds frames of {cine.pixels.shape[1:]}, the model takes "
                    f"{(size, size)}; give the original cines, or prepare them with --size {size}"
                )
            yield (
                dataclasses.replace(cine, subject=hash_subject(cine.subject, key)) if key else cine
            )

    return _some(path, itertools.islice(model_cines(), most))


def _each(
    path: pathlib.Path,
    on_refusal: Callable[[Refusal], None],
    options: ReadOptions | None,
    split: str | None,
) -> Iterator[tuple[pathlib.Path, Cine]]:
    """Yield each cine with the place it was found."""
    if is_records(path):
        if options not in (None, ReadOptions()):
            raise InputError(
                f"{path}: holds records, which --slice, --mask-box and --spacing-mm come too late "
                "for; give them to `gancmri prepare`"
            )
        for name in record_splits(path) if split is None else [split]:
            yield from ((path, cine) for cine in Records(path, name))
        return
    phenotypes = study_phenotypes(path)
    for subject in list_subjects(path):
        for item in read_subject(subject, phenotypes, options):
            if isinstance(item, Cine):
                yield subject.path, item
            else:
                on_refusal(item)


def _some(path: pathlib.Path, cines: Iterator[Cine]) -> list[Cine]:
    if not (found := list(cines)):
        raise InputError(f"{path}: nothing in it can be read")
    return found
