"""Cines in files that know no millimetres: MP4 and other videos, GIF, folders of PNGs.

Colours become grey. Labels burnt into the picture can be blanked before anything else sees them.
"""

import dataclasses
import pathlib
import re
import warnings
from collections.abc import Sequence

import imageio.v3 as iio
import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.files import MOST_BYTES
from gancmri_jax.errors import InputError

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".gif")
PNG_SUFFIX = ".png"
UNKNOWN_MM = (float("nan"), float("nan"))
MOST_FRAMES = 1000

Box = tuple[int, int, int, int]  # top, left, bottom, right; bottom and right lie outside


def read_video(path: pathlib.Path, subject: str) -> Cine:
    """Read a video as a cine of one heartbeat, its frames as they come.

    Raises:
        InputError: The file is broken, too long or too large, or a single picture.
    """
    read = _read_gif if path.suffix.lower() == ".gif" else _read_film
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            frames, frame_ms = read(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # whatever a decoder stumbles over is the file's fault
        raise InputError(f"{path}: is broken or no video ({type(error).__name__})") from error
    if len(frames) < 2:
        raise InputError(f"{path}: is a single picture, no cine")
    return Cine(np.stack(frames), UNKNOWN_MM, frame_ms, subject)


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
        _check_size(len(frames), frames[-1].shape)
    if len(frames) < 2:
        raise InputError(f"{folder}: holds a single picture, no cine")
    return Cine(np.stack(frames), UNKNOWN_MM, None, subject)


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


def _read_gif(path: pathlib.Path) -> tuple[list[UInt8[np.ndarray, "h w"]], float | None]:
    frames, durations_ms = [], []
    with Image.open(path, formats=["GIF"]) as image:
        _check_size(getattr(image, "n_frames", 1), (image.height, image.width))
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            frames.append(_grey(image.convert("RGB")))
            durations_ms.append(float(image.info.get("duration", 0)))
    step_ms = float(np.median(durations_ms))
    return frames, step_ms if step_ms > 0 else None


def _read_film(path: pathlib.Path) -> tuple[list[UInt8[np.ndarray, "h w"]], float | None]:
    frames = []
    with iio.imopen(path, "r", plugin="pyav") as film:
        fps = float(film.metadata().get("fps") or 0)
        _check_size(1, film.properties(format="rgb24").shape[-3:-1])
        for picture in film.iter(format="rgb24"):
            frames.append(_luma(picture))
            _check_size(len(frames), frames[0].shape)
    return frames, 1000 / fps if fps > 0 else None


def _check_size(num_frames: int, shape: tuple[int, ...]) -> None:
    if num_frames > MOST_FRAMES or num_frames * shape[0] * shape[1] > MOST_BYTES:
        raise InputError(f"has over {num_frames - 1} frames of {shape}, no heartbeat")


def _grey(image: Image.Image) -> Shaped[np.ndarray, "h w"]:
    if image.mode.startswith("I"):
        return np.asarray(image)  # 16 bits stay
    return _luma(np.asarray(image.convert("RGB")))


def _luma(picture: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w"]:
    # ITU-R BT.601; integers, so that grey stays exactly what it was.
    weighted = picture.astype(np.uint32) * np.array([299, 587, 114], np.uint32)
    return ((weighted.sum(-1) + 500) // 1000).astype(np.uint8)


def _by_numbers(path: pathlib.Path) -> list[tuple[int, str]]:
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
