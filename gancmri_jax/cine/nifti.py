"""NIfTI cines in the layout of ukbb_cardiac: array (x, y, 1, t), x first.

The file's x is the display's column and its y the display's row, so a frame [row, column] is
transposed on its way, and turned further where the affine asks for it. Voxel sizes are (column mm,
row mm, slice mm, frame ms).
"""

import dataclasses
import gzip
import io
import math
import pathlib
import re
from typing import Any

import nibabel
import numpy as np
from jaxtyping import Float, Shaped

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.files import MOST_BYTES, File, disk_file, gunzip_to_end, is_gzip
from gancmri_jax.cine.orientation import to_radiological
from gancmri_jax.disclaimer import COMMENT
from gancmri_jax.errors import InputError

SLICE_MM = 8.0  # the usual thickness of a long-axis cine; a single slice says nothing of its own
NIFTI_SUFFIXES = (".nii.gz", ".nii", ".hdr", ".hdr.gz")
IMAGE_SUFFIXES = (".img", ".img.gz")  # the other half of a pair
LABEL_WORDS = re.compile(
    r"(d?seg(ment(ation|ed|s)?|s|4)?|labels?|label ?maps?|gt|ground ?truth|masks?|rois?|contours?|"
    r"annotations?|aseg|parc(ellation)?)"
)
FEWEST_FRAMES_IN_THIRD = 20  # of an array (x, y, n, 1): stacks of the heart have fewer slices
FEW_FRAMES = 8  # of the fourth axis, where the third holds more, it counts slices
MOST_LABELS = 16
FEWEST_VOXELS = 4096  # below, a picture may have few values by chance
_HEADER_BYTES = 540  # of NIfTI-2; NIfTI-1 has fewer
MM = {"meter": 1e3, "mm": 1.0, "micron": 1e-3}
MS = {"sec": 1e3, "msec": 1.0, "usec": 1e-3}

Direction = Float[np.ndarray, "3"]


def write_nifti(
    path: pathlib.Path,
    pixels: Shaped[np.ndarray, "t h w"],
    spacing_mm: tuple[float, float],
    frame_ms: float,
    description: str = COMMENT,
    note: str = "",
) -> None:
    """Write frames as a gzipped NIfTI file, whole or not at all, the same bytes each time.

    Args:
        path: A name ending in `.nii.gz`.
        pixels: Frames in display orientation, of a type NIfTI holds (int16, uint8, float32, ...).
        spacing_mm: Distance between rows and between columns.
        frame_ms: Time between frames.
        description: What the header says of the file, at most 79 ASCII characters.
        note: What its `intent_name` says, at most 15.

    Raises:
        InputError: The spacing is unknown, NaN.
    """
    row_mm, column_mm = spacing_mm
    if math.isnan(row_mm) or math.isnan(column_mm):
        raise InputError(
            f"{path}: spacing is unknown; a NIfTI file needs it, so write a video instead"
        )
    # Columns run to the patient's left and rows to the back; NIfTI's axes point right and front.
    affine = np.diag([-column_mm, -row_mm, SLICE_MM, 1.0])
    image = nibabel.Nifti1Image(pixels.transpose(2, 1, 0)[:, :, None, :], affine)
    image.header.set_zooms((column_mm, row_mm, SLICE_MM, frame_ms))
    image.header.set_xyzt_units("mm", "msec")
    image.header["descrip"] = description
    image.header["intent_name"] = note
    with atomic_write(path) as part:
        # A time stamp in the gzip header would make equal cines different files.
        part.write_bytes(gzip.compress(image.to_bytes(), compresslevel=4, mtime=0))


def is_nifti(file: File) -> bool:
    """Tell by its suffix whether a file is a NIfTI or Analyze image, or the header half of one."""
    name = file.path.name.lower()
    if not name.endswith(NIFTI_SUFFIXES) or not file.on_disk and ".hdr" in name:
        return False
    return ".hdr" not in name or any(
        file.path.with_name(stem(file.path) + suffix).is_file()
        for suffix in (*IMAGE_SUFFIXES, ".IMG")
    )


def is_paired_image(path: pathlib.Path) -> bool:
    """Tell whether a file is the image half of a pair, whose header half lies beside it."""
    named = path.name.lower().endswith(IMAGE_SUFFIXES)
    return named and any(
        path.with_name(stem(path) + suffix).is_file() for suffix in (".hdr", ".hdr.gz", ".HDR")
    )


def stem(path: pathlib.Path) -> str:
    """Return a NIfTI file's name without its suffixes."""
    for suffix in (*NIFTI_SUFFIXES, *IMAGE_SUFFIXES):
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name


def is_label_map(stem: str) -> bool:
    """Tell by a word of its name whether a file holds labels of pixels, `sub-01_seg` say."""
    words = re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", stem).lower())
    return any(LABEL_WORDS.fullmatch(word) for word in words)


def read_nifti(
    source: pathlib.Path | File,
    subject: str,
    slice_index: int | None = None,
    time_axis: int | None = None,
    labels: bool = True,
) -> Cine:
    """Read a cine of the shape (x, y, 1, t), or one slice of a stack (x, y, z, t).

    Time may be the third axis instead, of (x, y, t, 1) or, where `time_axis` says so, (x, y, t).
    A nearly axial plane is turned to radiological display by its affine, unless that is the
    identity, which programs write that know of none.

    Args:
        source: The file.
        subject: Whose heart it is.
        slice_index: Which slice of a stack, counted from 0; a single slice is taken regardless.
        time_axis: Which axis is time, counted from 0: 2 or 3.
        labels: Take a file of few integers, as label maps hold, for a cine too.

    Raises:
        InputError: The file is broken, too large, holds several slices or a single frame, or its
            numbers are not finite.
    """
    cine, right, down = read_stored(source, subject, slice_index, time_axis)
    if not labels and (count := _num_labels(cine.pixels)):
        raise InputError(f"{_path(source)}: is a label map by its content, {count} integers")
    pixels, spacing_mm = to_radiological(cine.pixels, cine.spacing_mm, right, down)
    return dataclasses.replace(cine, pixels=pixels, spacing_mm=spacing_mm)


def read_stored(
    source: pathlib.Path | File,
    subject: str,
    slice_index: int | None = None,
    time_axis: int | None = None,
    fewest: int = 2,
) -> tuple[Cine, Direction, Direction]:
    """Read a cine with x as columns and y as rows, and where those run to in DICOM's axes.

    Integers stay integers where the header does not scale them. The time between frames is the
    fourth voxel size in its unit, or, where the unit is not said, in seconds below 1 and in
    milliseconds from there on; `timing.checked` says whether a heart could beat so. Directions are
    zeros where the affine does not say. An array of fewer frames than `fewest` is refused.
    """
    path = _path(source)
    try:
        image = _load(source)
        zooms = [float(zoom) for zoom in image.header.get_zooms()]
        length_unit, time_unit = getattr(image.header, "get_xyzt_units", lambda: ("", ""))()
        shape, affine = image.shape, image.affine
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    # Whatever a parser stumbles over is the file's fault.
    except Exception as error:
        raise InputError(f"{path}: is broken or no NIfTI file ({type(error).__name__})") from error
    axis = _time_axis(path, shape, zooms, time_axis)
    _check_shape(path, shape, axis, image.get_data_dtype().itemsize, slice_index, fewest)
    across = None if len(shape) == 3 else 5 - axis  # the axis of slices
    index = [slice(None)] * len(shape)
    if across is not None and shape[across] > 1:
        index[across] = slice(slice_index, slice_index + 1)  # type: ignore[operator]
    try:
        array = np.asanyarray(image.dataobj[tuple(index)] if across else image.dataobj)
    except Exception as error:
        raise InputError(f"{path}: is broken or no NIfTI file ({type(error).__name__})") from error
    if array.dtype.kind not in "uif" or not np.isfinite(array).all():
        raise InputError(f"{path}: holds numbers that are not finite or not real")
    mm = MM.get(length_unit, 1.0)
    column_mm, row_mm = zooms[0] * mm, zooms[1] * mm
    if not (row_mm > 0 and column_mm > 0 and np.isfinite([row_mm, column_mm]).all()):
        raise InputError(f"{path}: has voxel sizes {zooms}, and they must be positive")
    frames = array.reshape(shape[0], shape[1], shape[axis])  # [x y t]
    dtype = np.float32 if array.dtype.kind == "f" else array.dtype.newbyteorder("=")
    frame_ms, note = _frame_ms(zooms[3], time_unit) if len(shape) == 4 else (None, "")
    cine = Cine(
        pixels=np.ascontiguousarray(frames.transpose(2, 1, 0), dtype=dtype),
        spacing_mm=(row_mm, column_mm),
        frame_ms=frame_ms,
        subject=subject,
        notes=(note,) if note else (),
    )
    return cine, *_directions(affine)


def read_directions(path: pathlib.Path) -> tuple[Direction, Direction]:
    """Return where columns and rows of a file run to in DICOM's axes, by its header alone.

    Raises:
        InputError: It is broken.
    """
    try:
        image: Any = nibabel.load(path)
        return _directions(image.affine)
    except Exception as error:
        raise InputError(f"{path}: is broken or no NIfTI file ({type(error).__name__})") from error


def _path(source: pathlib.Path | File) -> pathlib.Path:
    return source.path if isinstance(source, File) else source


def _load(source: pathlib.Path | File) -> Any:
    """Open a file; one that is gzipped is read to its end, where its checksum is.

    Raises:
        InputError: It is too large, or has another checksum than was written.
    """
    file = source if isinstance(source, File) else disk_file(source)
    if file.on_disk and (".hdr" in file.path.name.lower() or not is_gzip(file)):
        for half in _gzipped_halves(file.path):
            gunzip_to_end(disk_file(half))  # nibabel reads no further than the last pixel
        return nibabel.load(file.path)
    if not is_gzip(file):
        content = io.BytesIO(file.read())
        return _kind(content.getvalue()[:4]).from_stream(content)
    with file.open() as packed, gzip.GzipFile(fileobj=packed) as unpacked:
        head = unpacked.read(_HEADER_BYTES)
    kind = _kind(head[:4])
    header = kind.header_class.from_fileobj(io.BytesIO(head), check=False)
    num_bytes = math.prod(header.get_data_shape()) * header.get_data_dtype().itemsize
    if num_bytes > MOST_BYTES:
        raise InputError(f"would unpack to {num_bytes >> 20} MiB, no cine")
    return kind.from_stream(gunzip_to_end(file, num_bytes + int(header.get_data_offset())))


def _gzipped_halves(path: pathlib.Path) -> list[pathlib.Path]:
    """Return what is gzipped of a pair of header and image."""
    if ".hdr" not in path.name.lower():
        return []
    beside = [path.with_name(stem(path) + suffix) for suffix in IMAGE_SUFFIXES]
    return [half for half in (path, *beside) if half.is_file() and is_gzip(disk_file(half))]


def _kind(size: bytes) -> Any:
    """Return the class of images whose header has a size."""
    sizes = int.from_bytes(size, "little"), int.from_bytes(size, "big")
    return nibabel.Nifti2Image if 540 in sizes else nibabel.Nifti1Image


def _time_axis(
    path: pathlib.Path, shape: tuple[int, ...], zooms: list[float], said: int | None
) -> int:
    """Return the axis of an array that is time."""
    if len(shape) == 3:
        if said is None and shape[2] > 1:
            raise InputError(
                f"{path}: must be (x, y, 1, t), is {shape}, a volume or a cine without a time "
                "axis; `--time-axis 2` says that the third axis, counted from 0, is time"
            )
        return 2
    if said is not None or len(shape) < 4:
        return 3 if said is None else said
    slices, frames = shape[2:4]
    alike = np.allclose(zooms[2], zooms[:2], rtol=0.1)  # as the voxels of a volume are
    if frames == 1 and slices >= FEWEST_FRAMES_IN_THIRD and not alike:
        return 2
    return 2 if 1 < frames < FEW_FRAMES and slices >= FEWEST_FRAMES_IN_THIRD else 3


def _check_shape(
    path: pathlib.Path,
    shape: tuple[int, ...],
    axis: int,
    item_bytes: int,
    slice_index: int | None,
    fewest: int,
) -> None:
    num_bytes = math.prod(shape) * item_bytes
    if num_bytes > MOST_BYTES:
        raise InputError(f"{path}: would unpack to {num_bytes >> 20} MiB, no cine")
    if len(shape) not in (3, 4) or 0 in shape:
        raise InputError(f"{path}: must be (x, y, 1, t) or (x, y, t), is {shape}")
    num_slices = shape[5 - axis] if len(shape) == 4 else 1
    if num_slices > 1:
        if shape[axis] < 2:
            raise InputError(
                f"{path}: holds a stack of {num_slices} slices and no time: {shape}; where those "
                f"are frames, `--time-axis {5 - axis}` says so"
            )
        if slice_index is None:
            raise InputError(
                f"{path}: holds a stack of {num_slices} slices; `gancmri prepare --slice K` takes "
                "one"
            )
        if not 0 <= slice_index < num_slices:
            raise InputError(f"{path}: has slices 0…{num_slices - 1}, and no slice {slice_index}")
    if shape[axis] < fewest:
        raise InputError(f"{path}: must be (x, y, 1, t) or (x, y, t), is {shape}")


def _num_labels(pixels: Shaped[np.ndarray, "t h w"]) -> int:
    """Return how many labels an array holds, 0 where it is none of labels."""
    if pixels.size < FEWEST_VOXELS:
        return 0
    sample = pixels[:: max(1, len(pixels) // 4)]
    if len(np.unique(sample)) > MOST_LABELS:
        return 0
    values = np.unique(pixels)
    if not 1 < len(values) <= MOST_LABELS or (values != np.round(values)).any() or values[0] < 0:
        return 0
    shown = len(values) == 2 or (len(values) <= 4 and pixels.dtype == np.uint8)  # as grey levels
    return len(values) if values[-1] <= 2 * MOST_LABELS or shown else 0


def _directions(affine: Float[np.ndarray, "4 4"]) -> tuple[Direction, Direction]:
    axes = affine[:3, :2] * [[-1.0], [-1.0], [1.0]]  # NIfTI counts right to left, back to front
    lengths = np.linalg.norm(axes, axis=0)
    if not np.isfinite(lengths).all() or not lengths.all() or (affine == np.eye(4)).all():
        return np.zeros(3), np.zeros(3)
    return axes[:, 0] / lengths[0], axes[:, 1] / lengths[1]


def _frame_ms(step: float, unit: str) -> tuple[float | None, str]:
    if unit in MS:
        frame_ms = step * MS[unit]
    else:
        frame_ms = step * 1000 if step < 1 else step
    # A converter that writes milliseconds under the flag for seconds lands far above.
    if 1 <= frame_ms <= 1000:
        return frame_ms, ""
    said = f"the header's {step:g} {unit if unit in MS else ''}".rstrip()
    return None, f"{said} is no time between a heart's frames, so time is unknown"
