"""Cines in files that know no millimetres: MP4 and other videos, GIF, folders of PNGs.

Colours become grey. Labels burnt into the picture can be blanked before anything else sees them.
"""

import collections
import dataclasses
import pathlib
import re
import struct
import warnings
import zlib
from collections.abc import Sequence

import av
import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.files import MOST_BYTES
from gancmri_jax.cine.origin import UNKNOWN_MM, spacing_in
from gancmri_jax.cine.timing import UNEVEN, Timing
from gancmri_jax.errors import InputError

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".gif")
PNG_SUFFIX = ".png"
MOST_FRAMES = 1000
MOST_PIXELS = 2**24  # of a frame: twice as many as on a screen of 3,840 × 2,160
GIF_TICK_MS = 10.0
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

Box = tuple[int, int, int, int]  # top, left, bottom, right; bottom and right lie outside
Film = tuple[list[UInt8[np.ndarray, "h w"]], Timing, tuple[float, float]]


def read_video(path: pathlib.Path, subject: str) -> Cine:
    """Read a video as a cine of one heartbeat, its frames as they come, at their mean time.

    A frame of a GIF that lasts a whole number of the others' times stands for as many: writers
    merge equal neighbours.

    Raises:
        InputError: The file is broken, too long or too large, or a single picture.
    """
    read = _read_gif if path.suffix.lower() == ".gif" else _read_film
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            frames, timing, spacing_mm = read(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # whatever a decoder stumbles over is the file's fault
        raise InputError(f"{path}: is broken or no video ({type(error).__name__})") from error
    if len(frames) < 2:
        raise InputError(f"{path}: is a single picture, no cine")
    return Cine(np.stack(frames), spacing_mm, timing.frame_ms, subject, notes=timing.notes)


def read_pngs(folder: pathlib.Path, subject: str) -> Cine:
    """Read the PNGs of a folder, in the order of the numbers in their names, as one cine.

    Raises:
        InputError: A file is broken or large, or sizes differ, or there is only one.
    """
    paths = sorted((p for p in folder.iterdir() if is_png(p)), key=_by_numbers)
    frames: list[np.ndarray] = []
    for path in paths:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                _check_png(path)
                with Image.open(path, formats=["PNG"]) as image:
                    frames.append(_grey(image))
        except Exception as error:
            raise InputError(
                f"{folder}: holds a broken or no PNG as picture {len(frames)} "
                f"({type(error).__name__})"
            ) from error
        if frames[-1].shape != frames[0].shape:
            raise InputError(
                f"{folder}: holds pictures of several sizes, {frames[0].shape} and "
                f"{frames[-1].shape}"
            )
        if frames[-1].dtype != frames[0].dtype:
            raise InputError(
                f"{folder}: holds pictures of several depths, {8 * frames[0].itemsize} and "
                f"{8 * frames[-1].itemsize} bits; write all with one"
            )
        _check_size(len(frames), frames[-1].shape)
    if len(frames) < 2:
        raise InputError(f"{folder}: holds a single picture, no cine")
    return Cine(np.stack(frames), UNKNOWN_MM, None, subject)


def _check_png(path: pathlib.Path) -> None:
    """See that each chunk of a PNG has its CRC-32, which Pillow compares of few of them."""
    if path.stat().st_size > MOST_BYTES:
        raise ValueError("too large")
    content = path.read_bytes()
    at = len(_PNG_SIGNATURE)
    kind = b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, at)
        (crc,) = struct.unpack_from(">I", content, at + 8 + length)
        if zlib.crc32(content[at + 4 : at + 8 + length]) != crc:
            raise ValueError("a chunk has another CRC-32")
        at += 12 + length


def is_video(path: pathlib.Path) -> bool:
    """Tell by its suffix whether a file is a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")


def is_png(path: pathlib.Path) -> bool:
    """Tell by its suffix whether a file is a PNG."""
    return path.suffix.lower() == PNG_SUFFIX and not path.name.startswith(".")


def blank(cine: Cine, boxes: Sequence[Box]) -> Cine:
    """Fill rectangles of all frames with the cine's darkest value.

    Raises:
        InputError: A rectangle is empty or lies outside the frames.
    """
    if not boxes:
        return cine
    pixels = cine.pixels.copy()
    height, width = pixels.shape[1:]
    for box in boxes:
        top, left, bottom, right = box
        if not (0 <= top < bottom <= height and 0 <= left < right <= width):
            raise InputError(
                f"{cine.subject}: has {height} rows and {width} columns, which "
                f"--mask-box {top} {left} {bottom} {right} does not lie in"
            )
        pixels[:, top:bottom, left:right] = cine.pixels.min()
    return dataclasses.replace(cine, pixels=pixels)


def _read_gif(path: pathlib.Path) -> Film:
    frames, durations_ms = [], []
    with Image.open(path, formats=["GIF"]) as image:
        count = getattr(image, "n_frames", 1)
        _check_size(count, (image.height, image.width))
        comment = image.info.get("comment", b"")
        for index in range(count):
            image.seek(index)
            frames.append(_grey(image.convert("RGBA")))
            durations_ms.append(float(image.info.get("duration", 0)))
    repeats = _repeats(durations_ms)
    _check_size(sum(repeats), frames[0].shape)
    frames = [frame for frame, n in zip(frames, repeats, strict=True) for _ in range(n)]
    steps = [ms / n for ms, n in zip(durations_ms, repeats, strict=True) for _ in range(n)]
    return frames, _mean_step(steps, GIF_TICK_MS), spacing_in(comment.decode("latin-1"))


def _repeats(durations_ms: Sequence[float]) -> list[int]:
    """Return how many equal frames each of a GIF stands for, by how long it is shown."""
    usual, times = collections.Counter(durations_ms).most_common(1)[0]
    once = [1] * len(durations_ms)
    if usual <= 0 or 2 * times <= len(durations_ms):
        return once
    counts = [round(ms / usual) for ms in durations_ms]
    whole = all(
        n > 0 and abs(ms - n * usual) <= min(n, 2) * GIF_TICK_MS
        for n, ms in zip(counts, durations_ms, strict=True)
    )
    return counts if whole else once


def _read_film(path: pathlib.Path) -> Film:
    frames: list[np.ndarray] = []
    stamps_ms: list[float] = []
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        comment = film.metadata.get("comment", "")
        _check_size(max(stream.frames, 1), (stream.height, stream.width))
        for picture in film.decode(stream):
            frames.append(_luma(picture.to_ndarray(format="rgb24")))
            if picture.pts is not None and picture.time_base:
                stamps_ms.append(float(1000 * picture.pts * picture.time_base))
            _check_size(len(frames), frames[0].shape)
        fps = float(stream.average_rate or 0)
    if len(stamps_ms) == len(frames) > 1 and stamps_ms[-1] > stamps_ms[0]:
        timing = _mean_step(np.diff(stamps_ms).tolist())
    else:
        timing = Timing(1000 / fps if fps > 0 else None)
    return frames, timing, spacing_in(comment)


def _mean_step(steps_ms: Sequence[float], tick_ms: float = 0.0) -> Timing:
    """Return the mean time between frames, and say where frames are uneven beyond rounding."""
    mean = float(np.mean(steps_ms))
    if mean <= 0:
        return Timing(None)
    low, high = min(steps_ms), max(steps_ms)
    if high - low <= max(2 * UNEVEN * mean, tick_ms):
        return Timing(mean)
    note = f"frames are uneven in time: {low:.4g} to {high:.4g} ms, {mean:.4g} ms in the mean"
    return Timing(mean, (note,))


def _check_size(num_frames: int, shape: tuple[int, ...]) -> None:
    if num_frames > MOST_FRAMES or num_frames * shape[0] * shape[1] > MOST_BYTES:
        raise InputError(f"has over {num_frames - 1} frames of {shape}, no heartbeat")
    if shape[0] * shape[1] > MOST_PIXELS:
        raise InputError(f"has frames of {shape}, too large for a heart's; scale it down")


def _grey(image: Image.Image) -> Shaped[np.ndarray, "h w"]:
    if image.mode.startswith("I"):
        return np.asarray(image)  # 16 bits stay
    if "A" in image.getbands() or "transparency" in image.info:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))  # what is transparent is not bright
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return _luma(np.asarray(image.convert("RGB")))


def _luma(picture: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w"]:
    # ITU-R BT.601; integers, so that grey stays exactly what it was.
    red, green, blue = (picture[..., i].astype(np.uint32) for i in range(3))
    return ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(np.uint8)


def _by_numbers(path: pathlib.Path) -> list[tuple[int, str]]:
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
