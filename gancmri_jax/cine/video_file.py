"""Videos for people to look at: MP4, GIF and contact sheets, from uint8 frames [t h w].

Each is written whole or not at all, with a comment that a player or `exiftool` can show.
"""

import pathlib

import imageio.v3 as iio
import numpy as np
from jaxtyping import UInt8
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gancmri_jax.atomic import atomic_write

_LEAST_SIDE = 256


def write_mp4(
    path: pathlib.Path,
    frames: UInt8[np.ndarray, "t h w"] | UInt8[np.ndarray, "t h w 3"],
    frame_ms: float,
    comment: str = "",
) -> None:
    """Write an H.264 video, magnified for viewing, that any browser plays."""
    frames = _even(magnify(frames))
    rgb = frames if frames.ndim == 4 else np.repeat(frames[..., None], 3, axis=-1)
    with atomic_write(path) as part, iio.imopen(part, "w", plugin="pyav") as film:
        film.container_metadata["comment"] = comment
        film.write(rgb, codec="libx264", fps=1000.0 / frame_ms)  # type: ignore[arg-type]


def write_gif(
    path: pathlib.Path,
    frames: UInt8[np.ndarray, "t h w"],
    frame_ms: float,
    comment: str = "",
) -> None:
    """Write a GIF that repeats for ever; its delays come in whole centiseconds."""
    first, *rest = [Image.fromarray(frame) for frame in magnify(frames)]
    duration = max(round(frame_ms / 10), 2) * 10
    with atomic_write(path) as part:
        first.save(
            part, save_all=True, append_images=rest, duration=duration, loop=0, comment=comment
        )


def write_contact_sheet(
    path: pathlib.Path,
    frames: UInt8[np.ndarray, "t h w"],
    columns: int = 10,
    comment: str = "",
) -> None:
    """Write all frames of a video as one PNG, row by row."""
    write_png(path, tile(frames, columns), comment)


def write_png(
    path: pathlib.Path,
    picture: UInt8[np.ndarray, "h w"] | UInt8[np.ndarray, "h w 3"],
    comment: str = "",
) -> None:
    """Write one picture as it is."""
    text = PngInfo()
    if comment:
        text.add_text("Comment", comment)
    with atomic_write(path) as part:
        Image.fromarray(picture).save(part, pnginfo=text)


def tile(frames: UInt8[np.ndarray, "n h w"], columns: int) -> UInt8[np.ndarray, "H W"]:
    """Lay frames out row by row; what the last row lacks is black."""
    n, h, w = frames.shape
    rows = -(-n // columns)
    sheet = np.zeros((rows * columns, h, w), np.uint8)
    sheet[:n] = frames
    return sheet.reshape(rows, columns, h, w).swapaxes(1, 2).reshape(rows * h, columns * w)


def magnify(frames: UInt8[np.ndarray, "t h w *c"]) -> UInt8[np.ndarray, "t H W *c"]:
    """Enlarge small frames by a whole factor, bicubically, to sides of at least 256 pixels."""
    _, h, w = frames.shape[:3]
    factor = -(-_LEAST_SIDE // min(h, w))
    if factor == 1:
        return frames
    size = (w * factor, h * factor)
    return np.stack(
        [np.asarray(Image.fromarray(f).resize(size, Image.Resampling.BICUBIC)) for f in frames]
    )


def _even(frames: UInt8[np.ndarray, "t h w *c"]) -> UInt8[np.ndarray, "t H W *c"]:
    """Repeat a last odd row or column: yuv420p needs even sides."""
    _, h, w, *channels = frames.shape
    padding = ((0, 0), (0, h % 2), (0, w % 2), *((0, 0) for _ in channels))
    return np.pad(frames, padding, mode="edge")
