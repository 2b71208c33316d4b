"""Which frames of a pile of DICOM headers are one cine: by person, study, series, kind and place.

Frames of a series belong together when they are one part of the complex image, at one inversion
time and echo, in one place. Series are merged where each holds a share of one beat, as in files
that have a series UID each. A slice that was taken twice in a series is two cines.
"""

import collections
import dataclasses
import re
import statistics
from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np

from gancmri_jax.cine.dicom_frame import Frame
from gancmri_jax.cine.kinds import differ, is_nobody
from gancmri_jax.cine.timing import GAP

ORIENTATION_TOLERANCE = 0.01  # of a direction cosine
POSITION_TOLERANCE_MM = 0.1
POSITION_TOLERANCE_PIXELS = 0.3
FEW = 1.5  # frames a value, below which the value only counts frames
FEWEST_IN_PASS = 5  # frames of a slice that is taken again

Key = Callable[[Frame], Hashable]


@dataclasses.dataclass(frozen=True, eq=False)
class Group:
    """Frames of one place that may be a cine, in order of time where they have one.

    Attributes:
        frames: In order.
        ordered: Whether anything says that order.
    """

    frames: tuple[Frame, ...]
    ordered: bool = True

    @property
    def first(self) -> Frame:
        """The first frame, whose header speaks for all."""
        return self.frames[0]

    def __len__(self) -> int:
        return len(self.frames)


def sort_frames(frames: Iterable[Frame]) -> list[Frame]:
    """Return frames in an order that does not depend on what their files are called."""

    def key(frame: Frame) -> tuple:
        missing = float("inf")
        return (
            frame.study if frame.series else "",
            frame.series_number,
            frame.position_mm,
            missing if frame.trigger_ms is None else frame.trigger_ms,
            missing if frame.instance is None else frame.instance,
            frame.series,
            frame.uid,
            str(frame.path),
        )

    return sorted(frames, key=key)


def by_person(frames: Sequence[Frame], name: str) -> dict[str, list[Frame]]:
    """Divide frames by whose they are.

    A person is a PatientID; where there is none, several studies are several persons, unless each
    frame has a study of its own, as some programs that make data anonymous leave behind.

    Args:
        frames: Of one folder or file.
        name: The subject's name, which holds where there is one person.

    Returns:
        Names to frames. Of several persons each goes by the PatientID, or else by the subject's
        name and a number.
    """
    patients = _divide(frames, lambda f: "" if is_nobody(f.patient) else f.patient)
    if len(patients) > 1:
        return {_as_name(str(patient)) or name: group for patient, group in patients.items()}
    if "" not in patients:
        return {name: list(frames)} if frames else {}
    studies = _divide(frames, lambda f: f.study)
    if len(studies) == 1 or len(frames) < FEW * len(studies):
        return {name: list(frames)}
    return {f"{name}-{i + 1}": studies[key] for i, key in enumerate(sorted(studies, key=str))}


def groups(frames: Sequence[Frame]) -> list[Group]:
    """Divide the frames of one person into what may be cines, singles among them."""
    found: list[Group] = []
    for study in _informative(frames, lambda f: f.study):
        for same in _informative(study, _image_kind, least=1):
            for place in _places(same):
                for series in _series(place):
                    for contrast in _contrasts(series):
                        found += _passes(contrast)
    return sorted(found, key=_slice_order)


def drop_copies(frames: Sequence[Frame]) -> tuple[list[Frame], list[Frame]]:
    """Return frames, and those that are copies of others: the same instance, time and pixels."""
    seen: dict[Hashable, list[Frame]] = {}
    kept, copies = [], []
    for frame in frames:
        key = (
            *(frame.patient, frame.position_mm, frame.orientation, frame.shape, frame.kinds),
            *(frame.trigger_ms, frame.instance, frame.index),
        )
        others = seen.setdefault(key, [])
        if any((o.uid and o.uid == frame.uid) or _same_pixels(o, frame) for o in others):
            copies.append(frame)
        else:
            others.append(frame)
            kept.append(frame)
    return kept, copies


def drop_odd_sizes(frames: Sequence[Frame]) -> tuple[list[Frame], list[Frame]]:
    """Return frames, and those of another size or depth than most of their series and place."""
    sizes: dict[tuple, collections.Counter] = collections.defaultdict(collections.Counter)
    for frame in frames:
        sizes[_rough_place(frame)][frame.shape, frame.bits] += 1
    common = {place: counter.most_common(1)[0][0] for place, counter in sizes.items()}
    kept: list[Frame] = []
    odd: list[Frame] = []
    for frame in frames:
        same = (frame.shape, frame.bits) == common[_rough_place(frame)]
        (kept if same else odd).append(frame)
    return kept, odd


def normal(frame: Frame) -> np.ndarray:
    """Return the unit normal of a frame's plane, zeros where its header does not say."""
    across = np.cross(frame.orientation[:3], frame.orientation[3:])
    length = np.linalg.norm(across)
    return across / length if length > 0 else np.zeros(3)


def _same_pixels(a: Frame, b: Frame) -> bool:
    try:
        return np.array_equal(a.pixels, b.pixels)
    except ValueError:  # broken ones are told of later
        return False


def _as_name(patient: str) -> str:
    """Return a PatientID as a name that no path can be led astray by."""
    return re.sub(r"[/\\\0]|^\.+", "_", patient)


def _divide(frames: Iterable[Frame], key: Key) -> dict[Hashable, list[Frame]]:
    divided: dict[Hashable, list[Frame]] = collections.defaultdict(list)
    for frame in frames:
        divided[key(frame)].append(frame)
    return dict(divided)


def _informative(frames: Sequence[Frame], key: Key, least: float = FEW) -> list[list[Frame]]:
    """Divide frames by a key, unless about every frame has a value of its own."""
    divided = _divide(frames, key)
    if len(frames) < least * len(divided):
        return [list(frames)]
    return list(divided.values())


def _image_kind(frame: Frame) -> Hashable:
    return frame.part, "derived" in frame.kinds[:1], frame.shape, frame.bits


def _rough_place(frame: Frame) -> tuple:
    position = tuple(round(mm, 0) for mm in frame.position_mm)
    return frame.series, tuple(round(cosine, 1) for cosine in frame.orientation), position


def _places(frames: Sequence[Frame]) -> list[list[Frame]]:
    places: list[list[Frame]] = []
    for frame in frames:
        place = next((p for p in places if _same_place(frame, p[0])), None)
        if place is None:
            places.append([frame])
        else:
            place.append(frame)
    return places


def _same_place(a: Frame, b: Frame) -> bool:
    if a.orientation == b.orientation and a.position_mm == b.position_mm:
        return a.spacing_mm == b.spacing_mm or np.allclose(a.spacing_mm, b.spacing_mm, rtol=1e-3)
    apart_mm = max(POSITION_TOLERANCE_MM, POSITION_TOLERANCE_PIXELS * min(a.spacing_mm))
    return (
        np.allclose(a.spacing_mm, b.spacing_mm, rtol=1e-3)
        and np.allclose(a.orientation, b.orientation, rtol=0, atol=ORIENTATION_TOLERANCE)
        and float(np.linalg.norm(np.subtract(a.position_mm, b.position_mm))) <= apart_mm
    )


def _series(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Divide the frames of a place by series, and merge those that hold shares of one beat."""
    by_name = collections.defaultdict(list)
    for series in _divide(frames, lambda f: f.series).values():
        by_name[series[0].description].append(series)
    merged: list[list[Frame]] = []
    for alike in by_name.values():
        if len(alike) > 1 and _is_one_beat(alike):
            merged.append([frame for series in alike for frame in series])
            continue
        merged += [series for series in alike if len(series) > 1]
        if pool := [frame for series in alike if len(series) == 1 for frame in series]:
            merged.append(pool)
    return merged


def _is_one_beat(parts: Sequence[Sequence[Frame]]) -> bool:
    """Tell whether several series are shares of one beat, rather than a beat each."""
    frames = [frame for part in parts for frame in part]
    if len({frame.reference for frame in frames}) > 1 or len({f.beat_ms for f in frames}) > 1:
        return False
    instances = [frame.instance for frame in frames]
    triggers = [frame.trigger_ms for frame in frames]
    counted = None not in instances
    if counted and len(set(instances)) < len(frames):
        return False
    if None in triggers:
        # Numbers that run on may be a second beat; those that interleave count one.
        ranges = sorted(_span([f.instance for f in p]) for p in parts) if counted else []
        return counted and any(a[1] > b[0] for a, b in zip(ranges, ranges[1:], strict=False))
    if len(set(triggers)) < len(frames) or not _even(triggers):
        return False
    if counted:
        order = np.argsort(np.asarray(triggers, float), kind="stable")
        return bool((np.diff(np.asarray(instances, float)[order]) > 0).all())
    times = [[f.trigger_ms for f in part] for part in parts if len(part) > 1]
    ranges = sorted(_span(part) for part in times)
    overlapping = any(a[1] > b[0] for a, b in zip(ranges, ranges[1:], strict=False))
    return not (overlapping and all(map(_even, times)))


def _span(values: Sequence) -> tuple[float, float]:
    return min(values), max(values)


def _even(times: Sequence) -> bool:
    """Tell whether steps of time are about equal."""
    steps = np.diff(np.sort(np.asarray(times, float)))
    return len(steps) == 0 or bool(steps.max() <= GAP * np.median(steps))


def _contrasts(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Divide a series by inversion time, echo and temporal position, where those do not count it.

    A value that about every frame has for itself is what the series varies: see `kinds.varies`.
    """
    parts = [list(frames)]
    if differ([f.inversion_ms for f in frames]):
        parts = [piece for part in parts for piece in _informative(part, lambda f: f.inversion_ms)]
    if differ([f.echo_ms for f in frames]):
        parts = [piece for part in parts for piece in _informative(part, lambda f: f.echo_ms)]
    if all(f.trigger_ms is not None for f in frames):
        parts = [piece for part in parts for piece in _informative(part, lambda f: f.temporal)]
    return parts


def _passes(frames: Sequence[Frame]) -> list[Group]:
    """Put frames in order of time; a slice that was taken again becomes another group."""
    parts = _restarts(frames)
    times = _times(frames)
    if len(parts) == 1 and (times is None or _are_numbered_twice(frames)):
        parts = _acquisitions(frames)
        if len(parts) == 1:
            return [Group(tuple(frames), ordered=len(frames) == 1)]
    if len(parts) > 1:
        return [group for part in parts for group in _passes(part)]
    assert times is not None
    return [Group(tuple(frames[i] for i in np.lexsort(times)))]


def _acquisitions(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Divide frames by the number or time of their acquisition, where that makes several cines."""
    for key in (lambda f: f.acquisition, lambda f: f.clock_s):
        divided = list(_divide(frames, key).values())
        if len(divided) > 1 and min(map(len, divided)) > 1:
            return divided
    return [list(frames)]


def _are_numbered_twice(frames: Sequence[Frame]) -> bool:
    """Tell whether instance numbers run through a slice more than once."""
    counts = collections.Counter(f.instance for f in frames)
    return None not in counts and len(counts) > 1 and min(counts.values()) > 1


def _restarts(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Divide frames, in order of their numbers, where trigger times start again."""
    if any(f.instance is None or f.trigger_ms is None for f in frames):
        return [list(frames)]
    frames = sorted(frames, key=lambda f: (f.instance, f.trigger_ms))
    if len({f.instance for f in frames}) < len(frames):
        return [frames]
    parts = [[frames[0]]]
    for before, frame in zip(frames, frames[1:], strict=False):
        if _trigger(frame) < _trigger(before):
            parts.append([])
        parts[-1].append(frame)
    spans = [_span([f.trigger_ms for f in part]) for part in parts]
    ranges = sorted(spans)
    overlapping = any(a[1] > b[0] for a, b in zip(ranges, ranges[1:], strict=False))
    long_enough = statistics.median(map(len, parts)) >= FEWEST_IN_PASS or not _are_distinct(frames)
    if len(parts) > 1 and overlapping and long_enough and min(map(len, parts)) > 1:
        return parts
    return [frames]


def _trigger(frame: Frame) -> float:
    assert frame.trigger_ms is not None
    return frame.trigger_ms


def _are_distinct(frames: Sequence[Frame]) -> bool:
    return len({f.trigger_ms for f in frames}) == len(frames)


def _times(frames: Sequence[Frame]) -> tuple[list[float], ...] | None:
    """Return what frames are sorted by, the last key first, or None where two tie."""
    triggers = [f.trigger_ms for f in frames if f.trigger_ms is not None]
    instances = [f.instance for f in frames if f.instance is not None]
    temporal = [f.temporal for f in frames if f.temporal is not None]
    if len(triggers) == len(frames) and len(set(triggers)) > 1:
        if len(set(triggers)) == len(frames):
            return (triggers,)
        # Equal neighbours are rounded; more say that a slice was taken twice.
        if len(set(instances)) == len(frames) and 2 * len(set(triggers)) > len(frames):
            order = np.argsort(instances)
            if (np.diff(np.asarray(triggers)[order]) >= 0).all():
                return instances, triggers
        return None
    if len(set(temporal)) == len(frames):
        return (temporal,)
    return (instances,) if len(set(instances)) == len(frames) else None


def _slice_order(group: Group) -> tuple:
    first = group.first
    orientation = tuple(round(cosine, 2) for cosine in first.orientation)
    return orientation, float(np.dot(normal(first), first.position_mm)), first.series_number
