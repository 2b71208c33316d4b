"""Videos for people to look at: MP4, GIF and contact sheets, from uint8 frames [t h w].

Each is written whole or not at all, with a comment that a player or `exiftool` can show.
"""

import io
import pathlib
from fractions import Fraction

import av
import numpy as np
from jaxtyping import UInt8
from PIL import GifImagePlugin, Image
from PIL.PngImagePlugin import PngInfo

from gancmri_jax.atomic import atomic_write
from gancmri_jax.disclaimer import COMMENT
from gancmri_jax.errors import InputError

_LEAST_SIDE = 256
_MOST_DENOMINATOR = 65535  # of frame rates, as encoders take them
_LEAST_GIF_MS = 20.0  # below, browsers show a tenth of a second


def write_mp4(
    path: pathlib.Path,
    frames: UInt8[np.ndarray, "t h w"] | UInt8[np.ndarray, "t h w 3"],
    frame_ms: float,
    comment: str = COMMENT,
) -> None:
    """Write an H.264 video, magnified for viewing, that any browser plays."""
    frames = _even(magnify(frames))
    rgb = frames if frames.ndim == 4 else np.repeat(frames[..., None], 3, axis=-1)
    try:
        content = _encode(rgb, frame_ms, comment)
    except Exception as error:  # whatever an encoder stumbles over
        raise InputError(
            f"{path}: cannot be encoded as H.264 ({type(error).__name__}); choose another format"
        ) from error
    with atomic_write(path) as part:
        part.write_bytes(content)


def _encode(rgb: UInt8[np.ndarray, "t h w 3"], frame_ms: float, comment: str) -> bytes:
    """Return an MP4 file, encoded in memory: an encoder that meets a full disk takes it badly."""
    buffer = io.BytesIO()
    fps = Fraction(1000.0 / frame_ms).limit_denominator(_MOST_DENOMINATOR)
    with av.open(buffer, "w", format="mp4") as film:
        film.metadata["comment"] = comment
        stream = film.add_stream("libx264", rate=fps)
        stream.height, stream.width = rgb.shape[1:3]
        stream.pix_fmt = "yuv420p"
        # The stream's own time base changes as soon as the file's header is written.
        stream.time_base = time_base = (1 / fps).limit_denominator(_MOST_DENOMINATOR)
        for index, picture in enumerate(rgb):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, time_base
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return buffer.getvalue()


def write_gif(
    path: pathlib.Path,
    frames: UInt8[np.ndarray, "t h w"],
    frame_ms: float,
    comment: str = COMMENT,
) -> None:
    """Write a GIF that repeats for ever, each frame by itself, equal neighbours too.

    Its delays come in whole centiseconds, and differ by one where that keeps the total time.
    """
    pictures = [Image.fromarray(frame) for frame in magnify(frames)]
    ends = np.round(np.arange(len(pictures) + 1) * max(frame_ms, _LEAST_GIF_MS) / 10).astype(int)
    blocks = _gif_header(pictures[0], comment)
    for picture, delay in zip(pictures, np.diff(ends), strict=True):
        blocks += GifImagePlugin.getdata(
            picture, duration=int(delay) * 10, include_color_table=False
        )
    with atomic_write(path) as part:
        part.write_bytes(b"".join(blocks) + b";")


def _gif_header(picture: Image.Image, comment: str) -> list[bytes]:
    """Return what stands before the frames of a GIF: one grey palette, the loop, the comment."""
    info = {"loop": 0, "comment": comment.encode()} if comment else {"loop": 0}
    return list(GifImagePlugin.getheader(picture, info=info)[0])


def write_contact_sheet(
    path: pathlib.Path,
    frames: UInt8[np.ndarray, "t h w"],
    columns: int = 10,
    comment: str = COMMENT,
) -> None:
    """Write all frames of a video as one PNG, row by row."""
    write_png(path, tile(frames, columns), comment)


def write_png(
    path: pathlib.Path,
    picture: UInt8[np.ndarray, "h w"] | UInt8[np.ndarray, "h w 3"],
    comment: str = COMMENT,
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
    factor = magnification(h, w)
    if factor == 1:
        return frames
    size = (w * factor, h * factor)
    return np.stack(
        [np.asarray(Image.fromarray(f).resize(size, Image.Resampling.BICUBIC)) for f in frames]
    )


def magnification(height: int, width: int) -> int:
    """Return by how much `magnify` enlarges frames."""
    return -(-_LEAST_SIDE // min(height, width))


def _even(frames: UInt8[np.ndarray, "t h w *c"]) -> UInt8[np.ndarray, "t H W *c"]:
    """Repeat a last odd row or column: yuv420p needs even sides."""
    _, h, w, *channels = frames.shape
    padding = ((0, 0), (0, h % 2), (0, w % 2), *((0, 0) for _ in channels))
    return np.pad(frames, padding, mode="edge")
