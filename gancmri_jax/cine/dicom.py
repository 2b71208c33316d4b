"""Cines in DICOM files, of one frame each or of many.

A folder may hold several slices and series. Frames belong together when frame of reference,
orientation, position, size and spacing agree; the series UID is asked only where that leaves two
frames at one time, because real files may have a series UID each, and no instance number.
"""

import collections
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.dicom_frame import Frame, read_frames
from gancmri_jax.cine.files import File
from gancmri_jax.cine.orientation import to_radiological
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.errors import InputError

ORIENTATION_TOLERANCE = 1e-3  # of a direction cosine
POSITION_TOLERANCE_MM = 0.1

Choose = Callable[[list[Frame]], list[Frame]]


def read_dicoms(
    files: Iterable[File], subject: str, choose: Choose = lambda frames: frames
) -> Iterator[Cine | Refusal]:
    """Yield the cines that some files of one subject hold, in order of slice position.

    Frames are in order of trigger time, or of their number where there is none; `frame_ms` is
    the median step of trigger times, or else the nominal heartbeat over frames.

    Args:
        files: In any order, of any slices.
        subject: Whose they are.
        choose: Picks the frames to use, by series or view, out of those that can be read.
    """
    frames = []
    for file in files:
        try:
            frames += read_frames(file)
        except InputError as error:
            yield Refusal(file.path, str(error))
    slices: list[list[Frame]] = []
    frames = choose(frames)
    common = _common_sizes(frames)
    for frame in frames:
        if frame.pixels.shape != common[_place(frame)]:
            yield Refusal(frame.path, "has another size than most frames of its slice and series")
            continue
        members = next((m for m in slices if _same_slice(frame, m[0])), None)
        if members is None:
            slices.append([frame])
        elif any(_same_frame(frame, other) for other in members):
            yield Refusal(frame.path, "is a copy of another file")
        else:
            members.append(frame)
    for members in sorted(slices, key=_slice_order):
        for series in _split_repeats(members):
            yield _cine(series, subject)


def _place(frame: Frame) -> tuple:
    position = tuple(round(mm, 1) for mm in frame.position_mm)
    return frame.series, tuple(round(cosine, 3) for cosine in frame.orientation), position


def _common_sizes(frames: list[Frame]) -> dict[tuple, tuple[int, ...]]:
    sizes: dict[tuple, collections.Counter] = collections.defaultdict(collections.Counter)
    for frame in frames:
        sizes[_place(frame)][frame.pixels.shape] += 1
    return {place: counter.most_common(1)[0][0] for place, counter in sizes.items()}


def _same_slice(a: Frame, b: Frame) -> bool:
    return (
        a.reference == b.reference
        and a.pixels.shape == b.pixels.shape
        and np.allclose(a.spacing_mm, b.spacing_mm, rtol=1e-3)
        and np.allclose(a.orientation, b.orientation, rtol=0, atol=ORIENTATION_TOLERANCE)
        and np.allclose(a.position_mm, b.position_mm, rtol=0, atol=POSITION_TOLERANCE_MM)
    )


def _same_frame(a: Frame, b: Frame) -> bool:
    same_time = (a.trigger_ms, a.instance) == (b.trigger_ms, b.instance)
    return same_time and np.array_equal(a.pixels, b.pixels)


def _slice_order(members: list[Frame]) -> tuple[tuple[float, ...], float]:
    first = members[0]
    orientation = tuple(round(cosine, 2) for cosine in first.orientation)
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    return orientation, float(np.dot(normal, first.position_mm))


def _times(frames: list[Frame]) -> list[float] | None:
    """Return what the frames are to be sorted by, or None where two frames tie."""
    triggers = [f.trigger_ms for f in frames if f.trigger_ms is not None]
    instances = [f.instance for f in frames if f.instance is not None]
    # Trigger times that repeat mean a slice taken twice: instance numbers would run on through
    # both and weld two heartbeats together. Only where they all are one value do they say nothing.
    values = triggers if len(triggers) == len(frames) and len(set(triggers)) > 1 else instances
    return values if len(set(values)) == len(frames) else None


def _split_repeats(frames: list[Frame]) -> list[list[Frame]]:
    if _times(frames) is not None:
        return [frames]
    by_series = collections.defaultdict(list)
    for frame in frames:
        by_series[frame.series].append(frame)
    # With about a series each, the series do not say what belongs together.
    return [frames] if 2 * len(by_series) > len(frames) else list(by_series.values())


def _cine(frames: list[Frame], subject: str) -> Cine | Refusal:
    place = frames[0].path if len({f.path for f in frames}) == 1 else frames[0].path.parent
    if len(frames) == 1:
        return Refusal(place, "is the only frame of its slice, no cine")
    times = _times(frames)
    if times is None:
        return Refusal(
            place,
            f"holds {len(frames)} frames of one slice that neither TriggerTime nor InstanceNumber"
            " puts in order; keep one series of it",
        )
    frames = [frames[i] for i in np.argsort(times)]
    triggers = [f.trigger_ms for f in frames if f.trigger_ms is not None]
    beat_ms = frames[0].beat_ms
    if len(triggers) == len(frames) and len(set(triggers)) > 1:
        frame_ms: float | None = float(np.median(np.diff(triggers)))
    else:
        frame_ms = beat_ms / len(frames) if beat_ms else None
    right, down = np.reshape(frames[0].orientation, (2, 3))
    pixels, spacing_mm = to_radiological(
        np.stack([f.pixels for f in frames]), frames[0].spacing_mm, right, down
    )
    return Cine(
        pixels=pixels,
        spacing_mm=spacing_mm,
        frame_ms=frame_ms,
        subject=subject,
    )
