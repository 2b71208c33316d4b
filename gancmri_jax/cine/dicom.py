"""Cines in DICOM files, of one frame each or of many.

A folder may hold several persons, series and slices; `series` says which frames are one cine,
`kinds` which are none, and `views` which is the four-chamber view.
"""

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.dicom_frame import Frame, read_frames
from gancmri_jax.cine.files import File
from gancmri_jax.cine.kinds import kind_of
from gancmri_jax.cine.not_taken import NotTaken
from gancmri_jax.cine.orientation import to_radiological
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.series import (
    Group,
    by_person,
    drop_copies,
    drop_odd_sizes,
    groups,
    normal,
    sort_frames,
)
from gancmri_jax.cine.timing import Timing, from_beat, from_stamps
from gancmri_jax.cine.views import Choice, name_of
from gancmri_jax.errors import InputError

WHOLE = 0.7  # of the frames of the longest cine of a view: with fewer, a series was broken off
LEAST_PADDED = 0.25  # of a cine, from which on black padding moves the window
NEAR_MM = 15.0  # between two tries at one view

Choose = Callable[[Sequence[Group]], Choice]


def take_all(groups: Sequence[Group]) -> Choice:
    """Take every cine."""
    return Choice(tuple(groups))


def read_dicoms(
    files: Iterable[File],
    subject: str,
    choose: Choose = take_all,
    describe: Callable[[Frame], str] = lambda frame: frame.description,
    by_hand: bool = False,
) -> Iterator[Cine | Refusal | NotTaken]:
    """Yield the cines that some files hold, in order of slice position, and what else they hold.

    Args:
        files: In any order, of any slices, series and persons.
        subject: Whose they are, where they do not name several persons.
        choose: Picks the cines to use out of those of one person and study.
        describe: Says what a frame's series is, where another source knows better.
        by_hand: Let `choose` see all series, late enhancement, maps and scouts too.
    """
    frames = []
    for file in files:
        try:
            frames += read_frames(file)
        except InputError as error:
            yield Refusal(file.path, str(error))
    frames = [dataclasses.replace(f, description=describe(f)) for f in sort_frames(frames)]
    frames, copies = drop_copies(frames)
    yield from (Refusal(frame.path, "is a copy of another file") for frame in copies)
    frames, odd = drop_odd_sizes(frames)
    reason = "has another size or depth than most frames of its slice and series"
    yield from (Refusal(frame.path, reason) for frame in odd)
    people = by_person(frames, subject)
    for person, own in people.items():
        for item in _read_person(groups(own), person, choose, by_hand):
            if isinstance(item, Cine) and len(people) > 1:
                note = f"one of {len(people)} persons whose files lie in one place"
                item = dataclasses.replace(item, notes=(note, *item.notes))
            yield item


def _read_person(
    found: Sequence[Group], subject: str, choose: Choose, by_hand: bool
) -> Iterator[Cine | Refusal | NotTaken]:
    studies = collections.defaultdict(list)
    one_study = len({frame.study for group in found for frame in group.frames}) > len(found)
    for group in found:
        studies["" if one_study else group.first.study].append(group)
    items = [i for study in studies.values() for i in _read_study(study, subject, choose, by_hand)]
    yield from items
    if found and not any(isinstance(item, Cine | Refusal) for item in items):
        kinds = list(dict.fromkeys(item.kind for item in items if isinstance(item, NotTaken)))
        yield Refusal(_place(found[0].frames), f"holds no cine, but {'; '.join(kinds)}")


def _read_study(
    found: Sequence[Group], subject: str, choose: Choose, by_hand: bool
) -> Iterator[Cine | Refusal | NotTaken]:
    cines = []
    for group in found:
        kind = kind_of(group.frames)
        if kind and not (by_hand and len(group) > 1):
            yield NotTaken(group.first.path, kind, _num_files(group))
        elif len(group) == 1:
            if len(found) == 1:
                yield Refusal(group.first.path, "is the only frame of its slice, no cine")
            else:
                yield NotTaken(group.first.path, "single images, no cines", _num_files(group))
        else:
            cines.append(group)
    if not cines:
        return
    cines, shadows = _without_shadows(cines)
    choice = choose(cines)
    taken, broken_off = _without_broken_off(choice.taken)
    for group, kind in (*shadows, *choice.left, *broken_off):
        yield NotTaken(group.first.path, kind, _num_files(group))
    if choice.refusal:
        yield Refusal(_place([f for g in found for f in g.frames]), choice.refusal)
    for group in taken:
        notes = []
        if choice.reason:
            notes.append(f"took {name_of(group)} {choice.reason}")
        lost = sum(len(g) for g, _ in broken_off)
        if lost:
            notes.append(f"took {name_of(group)}, and not one that was broken off ({lost} frames)")
        yield from _cine(group, subject, tuple(notes))


def _without_shadows(cines: Sequence[Group]) -> tuple[list[Group], list[tuple[Group, str]]]:
    """Set aside derived images and later echoes of what is there in the original."""
    kept: list[Group] = []
    left: list[tuple[Group, str]] = []
    ranked = sorted(cines, key=lambda g: ("derived" in g.first.kinds[:1], g.first.echo_ms or 0.0))
    for group in ranked:
        first = group.first
        twins = [
            k
            for k in kept
            if k.first.position_mm == first.position_mm
            and k.first.orientation == first.orientation
            and len(k) == len(group)
        ]
        if "derived" in first.kinds[:1] and any("original" in k.first.kinds[:1] for k in twins):
            left.append((group, "images derived from others"))
        elif any(k.first.series == first.series and _later_echo(k, group) for k in twins):
            left.append((group, "later echoes"))
        else:
            kept.append(group)
    return [group for group in cines if group in kept], left


def _later_echo(a: Group, b: Group) -> bool:
    return (
        a.first.echo_ms is not None
        and b.first.echo_ms is not None
        and (b.first.echo_ms > 1.1 * a.first.echo_ms)
    )


def _without_broken_off(cines: Sequence[Group]) -> tuple[list[Group], list[tuple[Group, str]]]:
    """Set aside series that hold far fewer frames than another try at the same view."""
    kept, left = [], []
    for group in cines:
        tries = [g for g in cines if _same_view(g, group)]
        whole = len(group) >= WHOLE * max(map(len, tries))
        if whole:
            kept.append(group)
        else:
            left.append((group, "series that were broken off and taken again"))
    return kept, left


def _same_view(a: Group, b: Group) -> bool:
    across = normal(a.first)
    same_direction = not across.any() or abs(across @ normal(b.first)) > 0.97
    apart_mm = float(np.linalg.norm(np.subtract(a.first.position_mm, b.first.position_mm)))
    return same_direction and apart_mm < NEAR_MM and a.first.series != b.first.series or a is b


def _num_files(group: Group) -> int:
    return len({frame.path for frame in group.frames})


def _place(frames: Sequence[Frame]):
    paths = {frame.path for frame in frames}
    return frames[0].path if len(paths) == 1 else frames[0].path.parent


def _cine(group: Group, subject: str, notes: tuple[str, ...]) -> Iterator[Cine | Refusal]:
    if not group.ordered:
        yield Refusal(
            _place(group.frames),
            f"holds {len(group)} frames of one slice that neither TriggerTime nor InstanceNumber"
            " puts in order; keep one series of it",
        )
        return
    frames, pixels = [], []
    for frame in group.frames:
        try:
            pixels.append(frame.pixels)
            frames.append(frame)
        except InputError as error:
            yield Refusal(frame.path, str(error))
    if len(frames) < 2:
        return
    timing = _timing(frames)
    stack, share = _without_padding(frames, np.stack(pixels))
    right, down = np.reshape(frames[0].orientation, (2, 3))
    turned, spacing_mm = to_radiological(stack, frames[0].spacing_mm, right, down)
    yield Cine(
        pixels=turned,
        spacing_mm=spacing_mm,
        frame_ms=timing.frame_ms,
        subject=subject,
        padded_share=share,
        notes=(*notes, *timing.notes),
    )


def _timing(frames: Sequence[Frame]) -> Timing:
    """Return the time between frames: by trigger times, or else the nominal beat over frames."""
    triggers = [f.trigger_ms for f in frames if f.trigger_ms is not None]
    beat_ms, phases = frames[0].beat_ms, _num_phases(frames)
    by_beat = from_beat(beat_ms, len(frames), phases)
    if len(triggers) < len(frames) or len(set(triggers)) < 2:
        return by_beat
    stamped = from_stamps(triggers, beat_ms)
    if by_beat.notes and not stamped.notes:
        return dataclasses.replace(stamped, notes=by_beat.notes)
    return stamped


def _num_phases(frames: Sequence[Frame]) -> int:
    """Return how many frames the beat had, by the scanner's number or a hole in the instances'."""
    said = int(frames[0].num_phases or 0)
    if not len(frames) <= said <= 2 * len(frames):
        said = 0
    instances = sorted(f.instance for f in frames if f.instance is not None)
    steps = np.diff(instances)
    if len(instances) < len(frames) or not len(steps) or np.median(steps) <= 0:
        return said
    counted = round((instances[-1] - instances[0]) / np.median(steps)) + 1
    return max(said, counted if counted <= 1.25 * len(frames) else 0)


def _without_padding(frames: Sequence[Frame], pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """Give padding the lowest measured intensity, and return its share too."""
    masks = [frame.padding for frame in frames]
    if all(mask is None for mask in masks):
        return pixels, 0.0
    nowhere = np.zeros(frames[0].shape, bool)
    mask = np.stack([nowhere if mask is None else mask for mask in masks])
    share = float(mask.mean())
    if mask.all():
        return pixels, 0.0
    lowest = pixels[~mask].min()
    if lowest >= 0 and not pixels[mask].any():  # black already, as some scanners fill corners
        return pixels, share if share > LEAST_PADDED else 0.0
    return np.where(mask, lowest, pixels), share
