"""The items of a reader study: hearts drawn from each kind, made alike, and put side by side."""

import dataclasses
import itertools
import pathlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from jaxtyping import Bool

from gancmri_jax.apps.reader_study.design import avoid_same_heart, spread_frames
from gancmri_jax.apps.reader_study.stimuli import alike, draw_cines, one_frame
from gancmri_jax.apps.reader_study.store import REAL, Kind, Study, add_stimulus
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.records import is_records
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.subject import hash_subject, subject_key
from gancmri_jax.errors import InputError

Opened = dict[str, tuple[Cine, Iterator[Cine]]]  # the first cine of each kind, and the others
Written = list[tuple[int, str]]  # stimuli, and their subjects
Track = Callable[[Iterable[int], str], Iterable[int]]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is asked for.

    Attributes:
        kind: Pairs of frames, or videos to rank.
        real: Folder of cines, or records.
        synthetic: The same, by name of the kind.
        items: How many.
        repeats: How many of them each reader sees again.
        seed: Of every draw.
        size: Rows and columns; None for the shortest side of the kinds' first.
        num_frames: Of a video; None for the fewest of the kinds' first.
        beat_ms: Time in which a video is played.
        keep_ids: Whether subjects' names are kept instead of keyed hashes.
        match: Whether clips are evened out (`matching`).
    """

    kind: Kind
    real: pathlib.Path
    synthetic: Mapping[str, pathlib.Path]
    items: int
    repeats: int
    seed: int
    size: int | None = None
    num_frames: int | None = None
    beat_ms: float = 1000.0
    keep_ids: bool = False
    match: bool = False

    @property
    def paths(self) -> dict[str, pathlib.Path]:
        """All kinds, the real one first."""
        return {REAL: self.real, **self.synthetic}


def open_kinds(
    plan: Plan, rng: np.random.Generator, on_refusal: Callable[[Refusal], object]
) -> Opened:
    """Draw the first cine of each kind.

    Raises:
        InputError: A folder holds nothing that can be read.
    """
    opened = {}
    for kind, path in plan.paths.items():
        cines = draw_cines(path, rng, on_refusal, plan.keep_ids)
        first = next(cines, None)
        if first is None:
            raise InputError(f"{path}: nothing in it can be read")
        opened[kind] = (first, cines)
    return opened


def draw_videos(
    connection: sqlite3.Connection,
    study: Study,
    plan: Plan,
    opened: Opened,
    rng: np.random.Generator,
    say: Callable[[str], object],
    progress: Track,
) -> list[list[int]]:
    """Write as many videos of each kind as there are items; return the stimuli of each item.

    Raises:
        InputError: A folder holds too few.
    """
    written = {
        kind: _write_videos(
            connection, study, plan, kind, itertools.chain([first], others), say, progress
        )
        for kind, (first, others) in opened.items()
    }
    columns = [[number for number, _ in written[REAL]]]
    for kind in study.synthetic:
        same = _same_hearts(written[REAL], written[kind])
        _tell_of_same_hearts(kind, same, say)
        try:
            order = avoid_same_heart(same, rng)
        except InputError as error:
            raise InputError(f"{plan.paths[kind]}: {error}; give more of other hearts") from error
        columns.append([written[kind][i][0] for i in order])
    return [list(item) for item in zip(*columns, strict=True)]


def draw_pairs(
    connection: sqlite3.Connection,
    study: Study,
    plan: Plan,
    opened: Opened,
    rng: np.random.Generator,
    say: Callable[[str], object],
    progress: Track,
) -> list[list[int]]:
    """Write a real frame for each item and a synthetic one, of each kind about equally many.

    Raises:
        InputError: A folder holds too few frames.
    """
    of_each, rest = divmod(plan.items, len(study.synthetic))
    written: dict[str, Written] = {}
    for kind, (first, others) in opened.items():
        needed = of_each + (kind in study.synthetic[:rest]) if kind != REAL else plan.items
        cines = list(itertools.islice(itertools.chain([first], others), needed))
        try:
            places = spread_frames([len(cine.pixels) for cine in cines], needed, rng)
        except InputError as error:
            raise InputError(f"{plan.paths[kind]}: {error}; lower --items") from error
        written[kind] = []
        for index in progress(range(needed), kind):
            cine, frame = cines[places[index][0]], places[index][1]
            pixels = alike(one_frame(cine, frame), study.size, 1)
            name = _stored_name(plan, kind, cine.subject)
            number = add_stimulus(connection, kind, name, frame, pixels)
            written[kind].append((number, cine.subject))
    real = written.pop(REAL)
    for kind, theirs in written.items():
        _tell_of_same_hearts(kind, _same_hearts(real, theirs), say)
    synthetic = [one for theirs in written.values() for one in theirs]
    try:
        order = avoid_same_heart(_same_hearts(real, synthetic), rng)
    except InputError as error:
        raise InputError(f"--kind pairs: {error}; give more of other hearts") from error
    return [[ours[0], synthetic[i][0]] for ours, i in zip(real, order, strict=True)]


def _write_videos(connection, study, plan, kind, cines, say, progress) -> Written:
    """Write a kind's videos, and return their numbers and subjects."""
    written: Written = []
    for _ in progress(range(plan.items), kind):
        for cine in cines:
            try:
                pixels = alike(cine, study.size, study.num_frames)
            except InputError as error:
                said = str(error).removeprefix(f"{cine.subject}: ")
                say(f"{_stored_name(plan, kind, cine.subject)}: {said}; skipped")
                continue
            name = _stored_name(plan, kind, cine.subject)
            number = add_stimulus(connection, kind, name, None, pixels)
            written.append((number, cine.subject))
            break
        else:
            raise InputError(
                f"{plan.paths[kind]}: holds {len(written)} cines that can be shown, and "
                f"{plan.items} are needed; give more, or lower --items"
            )
    return written


def _same_hearts(real: Written, synthetic: Written) -> Bool[np.ndarray, "n m"]:
    key = subject_key()
    names = [(subject, hash_subject(subject, key)) for _, subject in real]
    return np.array([[_is_of_heart(theirs, ours) for _, theirs in synthetic] for ours in names])


def _tell_of_same_hearts(
    kind: str, same: Bool[np.ndarray, "n m"], say: Callable[[str], object]
) -> None:
    if same.any():
        say(
            f"note: {kind} has hearts that are among the real ones too. Super-resolved ones keep "
            "their original frames, which are real: make them by `gancmri superres "
            "--all-generated`, or show all frames of videos by --frames"
        )


def _is_of_heart(synthetic: str, names: tuple[str, str]) -> bool:
    """Tell whether a subject is a real one under its name or hash, as `superres` names videos."""
    return any(synthetic == name or synthetic.startswith(f"{name}-") for name in names)


def _stored_name(plan: Plan, kind: str, subject: str) -> str:
    """Return a subject's name as it may be kept."""
    if plan.keep_ids or is_records(plan.paths[kind]):
        return subject
    return hash_subject(subject, subject_key())
