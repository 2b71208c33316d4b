"""Preprocessed subjects on disk, a file each, while it is not yet known who is held out.

They are what lets many processes work at once, and a killed `prepare` go on where it was.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import UInt8

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.layouts.found import ReadOptions, Subject
from gancmri_jax.cine.not_taken import NotTaken
from gancmri_jax.cine.preprocess import Fit, preprocess
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.subjects import read_subject
from gancmri_jax.cine.summary import likeness, summarise
from gancmri_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Task:
    """All a process needs to know to stage a subject; values as in `preprocess`."""

    subject: Subject
    reading: ReadOptions
    size: int
    fit: Fit
    percentiles: tuple[float, float]
    folder: pathlib.Path

    @property
    def path(self) -> pathlib.Path:
        """Where the subject is staged."""
        place = f"{self.subject.name}\0{self.subject.path}"
        return self.folder / f"{hashlib.sha256(place.encode()).hexdigest()[:32]}.npz"


@dataclasses.dataclass(frozen=True)
class Staged:
    """A cine that is staged.

    Attributes:
        path: The subject's file.
        index: Which of its cines.
        fields: What a cine holds besides pixels.
        summary: See `summarise`.
    """

    path: pathlib.Path
    index: int
    fields: dict[str, Any]
    summary: dict[str, Any]

    @property
    def subject(self) -> str:
        """The subject's own name."""
        return self.fields["subject"]

    def pixels(self) -> UInt8[np.ndarray, "t h w"]:
        """Read the frames."""
        return _load(self.path, f"frames_{self.index}")

    def likeness(self) -> np.ndarray:
        """Read what `likeness` said of the frames."""
        return _load(self.path, f"likeness_{self.index}")

    def cine(self, subject: str) -> Cine:
        """Read the cine under the name it is to be written by."""
        pairs = {name: tuple(self.fields[name]) for name in ("spacing_mm", "notes")}
        fields = self.fields | pairs
        return Cine(**fields | {"pixels": self.pixels(), "subject": subject})


def stage(task: Task) -> pathlib.Path:
    """Read and preprocess a subject, and leave its cines and refusals in its file."""
    arrays: dict[str, np.ndarray] = {}
    staged: list[tuple[dict[str, Any], dict[str, Any]]] = []
    refused: list[tuple[str, str]] = []
    not_taken: list[tuple[str, str, int]] = []
    for item in _preprocessed(task):
        if isinstance(item, Refusal):
            refused.append((str(item.path), item.reason))
            continue
        if isinstance(item, NotTaken):
            not_taken.append((str(item.path), item.kind, item.count))
            continue
        source, cine = item
        arrays[f"frames_{len(staged)}"] = cine.pixels
        arrays[f"likeness_{len(staged)}"] = likeness(cine.pixels)
        fields = {k: v for k, v in vars(cine).items() if k != "pixels"}
        staged.append((fields, summarise(source, cine.pixels)))
    said = {"staged": staged, "refused": refused, "not_taken": not_taken}
    return _write(task, said, arrays)


def stage_refusal(task: Task, reason: str) -> pathlib.Path:
    """Leave a subject's file that holds no cine, and why."""
    refused = [(str(task.subject.path), reason)]
    return _write(task, {"staged": [], "refused": refused, "not_taken": []}, {})


def _write(task: Task, said: dict[str, Any], arrays: dict[str, np.ndarray]) -> pathlib.Path:
    arrays["said"] = np.frombuffer(json.dumps(said).encode(), np.uint8)
    with atomic_write(task.path) as part, part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    return task.path


def read_staged(path: pathlib.Path) -> tuple[list[Staged], list[Refusal], list[NotTaken]]:
    """Return what a subject's file holds, its frames still on disk."""
    said = json.loads(_load(path, "said").tobytes())
    staged = [Staged(path, i, *parts) for i, parts in enumerate(said["staged"])]
    refused = [Refusal(pathlib.Path(place), reason) for place, reason in said["refused"]]
    return staged, refused, [NotTaken(pathlib.Path(p), *rest) for p, *rest in said["not_taken"]]


def _load(path: pathlib.Path, name: str) -> np.ndarray:
    """Read an array; the file, a zip, holds a checksum of each."""
    try:
        with path.open("rb") as opened, np.load(opened) as file:
            return file[name]
    except Exception as error:  # whatever a reader of a damaged file stumbles over
        raise InputError(
            f"{path}: is damaged ({type(error).__name__}); run the same command again"
        ) from error


def _preprocessed(task: Task) -> Iterator[tuple[Cine, Cine] | Refusal | NotTaken]:
    for item in read_subject(task.subject, options=task.reading):
        if not isinstance(item, Cine):
            yield item
            continue
        try:
            yield item, preprocess(item, task.size, task.fit, task.percentiles)
        except InputError as error:
            yield Refusal(task.subject.path, str(error).removeprefix(f"{item.subject}: "))
