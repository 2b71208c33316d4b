"""NIfTI cines in the layout of ukbb_cardiac: array (x, y, 1, t), x first.

The file's x is the display's column and its y the display's row, so a frame [row, column] is
transposed on its way, and turned further where the affine asks for it. Voxel sizes are (column mm,
row mm, slice mm, frame ms).
"""

import dataclasses
import gzip
import math
import pathlib
from typing import cast

import nibabel
import numpy as np
from jaxtyping import Float, Shaped

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.files import MOST_BYTES
from gancmri_jax.cine.orientation import to_radiological
from gancmri_jax.errors import InputError

SLICE_MM = 8.0  # the usual thickness of a long-axis cine; a single slice says nothing of its own
MM = {"meter": 1e3, "mm": 1.0, "micron": 1e-3}
MS = {"sec": 1e3, "msec": 1.0, "usec": 1e-3}

Direction = Float[np.ndarray, "3"]


def write_nifti(
    path: pathlib.Path,
    pixels: Shaped[np.ndarray, "t h w"],
    spacing_mm: tuple[float, float],
    frame_ms: float,
    description: str = "",
) -> None:
    """Write frames as a gzipped NIfTI file, whole or not at all, the same bytes each time.

    Args:
        path: A name ending in `.nii.gz`.
        pixels: Frames in display orientation, of a type NIfTI holds (int16, uint8, float32, ...).
        spacing_mm: Distance between rows and between columns.
        frame_ms: Time between frames.
        description: What the header says of the file, at most 79 ASCII characters.

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
    with atomic_write(path) as part:
        # A time stamp in the gzip header would make equal cines different files.
        part.write_bytes(gzip.compress(image.to_bytes(), compresslevel=4, mtime=0))


def read_nifti(path: pathlib.Path, subject: str, slice_index: int | None = None) -> Cine:
    """Read a cine of the shape (x, y, 1, t) or (x, y, t), or one slice of a stack (x, y, z, t).

    A nearly axial plane is turned to radiological display by its affine, unless that is the
    identity, which programs write that know of none.

    Args:
        path: The file.
        subject: Whose heart it is.
        slice_index: Which slice of a stack, counted from 0; a single slice is taken regardless.

    Raises:
        InputError: The file is broken, too large, holds several slices or a single frame, or its
            numbers are not finite.
    """
    cine, right, down = read_stored(path, subject, slice_index)
    pixels, spacing_mm = to_radiological(cine.pixels, cine.spacing_mm, right, down)
    return dataclasses.replace(cine, pixels=pixels, spacing_mm=spacing_mm)


def read_stored(
    path: pathlib.Path, subject: str, slice_index: int | None = None
) -> tuple[Cine, Direction, Direction]:
    """Read a cine with x as columns and y as rows, and where those run to in DICOM's axes.

    Integers stay integers where the header does not scale them. The time between frames is the
    fourth voxel size in its unit, or, where the unit is not said, in seconds below 1 and in
    milliseconds from there on; a time no heart could have is taken as unknown. Directions are
    zeros where the affine does not say.
    """
    try:
        image = cast(nibabel.Nifti1Image, nibabel.load(path))
        zooms = [float(zoom) for zoom in image.header.get_zooms()]
        length_unit, time_unit = image.header.get_xyzt_units()
        shape, affine = image.shape, image.affine
    # Whatever a parser stumbles over is the file's fault.
    except Exception as error:
        raise InputError(f"{path}: is broken or no NIfTI file ({type(error).__name__})") from error
    _check_shape(path, shape, image.get_data_dtype().itemsize, slice_index)
    stack = len(shape) == 4 and shape[2] > 1
    try:
        array = np.asanyarray(image.dataobj[:, :, slice_index] if stack else image.dataobj)
    except Exception as error:
        raise InputError(f"{path}: is broken or no NIfTI file ({type(error).__name__})") from error
    if array.dtype.kind not in "uif" or not np.isfinite(array).all():
        raise InputError(f"{path}: holds numbers that are not finite or not real")
    mm = MM.get(length_unit, 1.0)
    column_mm, row_mm = zooms[0] * mm, zooms[1] * mm
    if not (row_mm > 0 and column_mm > 0 and np.isfinite([row_mm, column_mm]).all()):
        raise InputError(f"{path}: has voxel sizes {zooms}, and they must be positive")
    frames = array.reshape(shape[0], shape[1], shape[-1])  # [x y t]
    dtype = np.float32 if array.dtype.kind == "f" else array.dtype.newbyteorder("=")
    cine = Cine(
        pixels=np.ascontiguousarray(frames.transpose(2, 1, 0), dtype=dtype),
        spacing_mm=(row_mm, column_mm),
        frame_ms=_frame_ms(zooms[3], time_unit) if len(shape) == 4 else None,
        subject=subject,
    )
    return cine, *_directions(affine)


def _check_shape(
    path: pathlib.Path, shape: tuple[int, ...], item_bytes: int, slice_index: int | None
) -> None:
    num_bytes = math.prod(shape) * item_bytes
    if num_bytes > MOST_BYTES:
        raise InputError(f"{path}: would unpack to {num_bytes >> 20} MiB, no cine")
    if len(shape) == 4 and shape[2] > 1:
        if slice_index is None:
            raise InputError(
                f"{path}: holds a stack of {shape[2]} slices; `gancmri prepare --slice K` takes one"
            )
        if not 0 <= slice_index < shape[2]:
            raise InputError(f"{path}: has slices 0…{shape[2] - 1}, and no slice {slice_index}")
    if len(shape) not in (3, 4) or shape[-1] < 2 or 0 in shape:
        raise InputError(f"{path}: must be (x, y, 1, t) or (x, y, t), is {shape}")


def _directions(affine: Float[np.ndarray, "4 4"]) -> tuple[Direction, Direction]:
    axes = affine[:3, :2] * [[-1.0], [-1.0], [1.0]]  # NIfTI counts right to left, back to front
    lengths = np.linalg.norm(axes, axis=0)
    if not np.isfinite(lengths).all() or not lengths.all() or (affine == np.eye(4)).all():
        return np.zeros(3), np.zeros(3)
    return axes[:, 0] / lengths[0], axes[:, 1] / lengths[1]


def _frame_ms(step: float, unit: str) -> float | None:
    if unit in MS:
        frame_ms = step * MS[unit]
    else:
        frame_ms = step * 1000 if step < 1 else step
    # A converter that writes milliseconds under the flag for seconds lands far above.
    return frame_ms if 1 <= frame_ms <= 1000 else None
