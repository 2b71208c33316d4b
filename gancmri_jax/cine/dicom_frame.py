"""Frames of one DICOM file: a single one, or those of an enhanced multi-frame object."""

import dataclasses
import io
import math
import pathlib
import re
import warnings
from typing import Any

import numpy as np
import pydicom
from jaxtyping import Shaped
from pydicom.multival import MultiValue
from pydicom.uid import AllTransferSyntaxes

from gancmri_jax.cine.files import MOST_BYTES, File
from gancmri_jax.errors import InputError

DEFLATED = b"1.2.840.10008.1.2.1.99"

# Where an enhanced object keeps what a classic one has at its top: PS3.3, C.7.6.16.
GROUPS = {
    "PixelSpacing": "PixelMeasuresSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "ImagePositionPatient": "PlanePositionSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "NominalCardiacTriggerDelayTime": "CardiacSynchronizationSequence",
    "RRIntervalTimeNominal": "CardiacSynchronizationSequence",
}


@dataclasses.dataclass(frozen=True)
class Frame:
    """A picture with what its header says of place, time and series."""

    path: pathlib.Path
    pixels: Shaped[np.ndarray, "h w"]
    spacing_mm: tuple[float, float]
    reference: str
    series: str
    description: str
    series_number: float
    orientation: tuple[float, ...]  # direction of a row, direction of a column
    position_mm: tuple[float, ...]
    trigger_ms: float | None
    instance: float | None
    beat_ms: float | None


def is_dicom(file: File) -> bool:
    """Tell by its mark, or else by its suffix, whether a file wants to be a DICOM image."""
    if file.path.name == "DICOMDIR":
        return False
    return file.path.suffix.lower() in {".dcm", ".ima"} or file.head(132)[128:] == b"DICM"


def read_frames(file: File) -> list[Frame]:
    """Read the frames of a DICOM file, in its order.

    Intensities are the rescaled ones with all their bits, MONOCHROME1 inverted so that bright is
    bright.

    Raises:
        InputError: The file is broken, no MR image or too large; the message does not name it.
    """
    content = file.read()
    if DEFLATED in content[:65536]:
        raise InputError("is deflated as a whole; write it uncompressed, say by dcmconv")
    with warnings.catch_warnings():
        # Odd values in fields that are not used are nobody's concern here.
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(io.BytesIO(content), force=True)
            found = "Rows" in dataset and "PixelData" in dataset
        except Exception as error:  # whatever a parser stumbles over is the file's fault
            raise InputError(f"is broken or no DICOM file ({type(error).__name__})") from error
        if not found:
            raise InputError("holds no DICOM image")
        try:
            _check(dataset)
            return _frames(dataset, file.path)
        except InputError:
            raise
        except Exception as error:
            syntax = dataset.file_meta.get("TransferSyntaxUID")
            if syntax in AllTransferSyntaxes and syntax.is_compressed:
                raise InputError(
                    f"is compressed by {syntax.name} and could not be unpacked; write it "
                    "uncompressed, say by dcmdjpeg or gdcmconv --raw"
                ) from error
            raise InputError(
                f"has broken pixels or header fields ({type(error).__name__})"
            ) from error


def _check(dataset: pydicom.Dataset) -> None:
    modality = str(dataset.get("Modality") or "MR")
    if modality != "MR":
        code = modality if re.fullmatch("[A-Z]{2,4}", modality) else "unknown"
        raise InputError(f"is of modality {code}, not MR")
    if dataset.get("SamplesPerPixel", 1) != 1:
        raise InputError("is a colour picture, not an MR frame")
    num_pixels = dataset.Rows * dataset.Columns * int(dataset.get("NumberOfFrames") or 1)
    num_bytes = num_pixels * dataset.BitsAllocated // 8
    if num_bytes > MOST_BYTES:
        raise InputError(f"would unpack to {num_bytes >> 20} MiB of pixels, no cine")


def _frames(dataset: pydicom.Dataset, path: pathlib.Path) -> list[Frame]:
    num_frames = int(dataset.get("NumberOfFrames") or 1)
    pixels = dataset.pixel_array.reshape(num_frames, dataset.Rows, dataset.Columns)
    times = _times_ms(dataset, num_frames)
    return [
        Frame(
            path=path,
            pixels=_intensities(dataset, pixels[i], i),
            spacing_mm=_spacing_mm(dataset, i),
            reference=str(dataset.get("FrameOfReferenceUID") or ""),
            series=str(dataset.get("SeriesInstanceUID") or ""),
            description=str(dataset.get("SeriesDescription") or ""),
            series_number=_float(dataset.get("SeriesNumber")) or 0.0,
            orientation=_vector(dataset, "ImageOrientationPatient", i, 6) or (0.0,) * 6,
            position_mm=_vector(dataset, "ImagePositionPatient", i, 3)
            or (0.0, 0.0, _float(dataset.get("SliceLocation")) or 0.0),
            trigger_ms=times[i],
            instance=_float(dataset.get("InstanceNumber")) if num_frames == 1 else float(i),
            beat_ms=_float(_get(dataset, "RRIntervalTimeNominal", i))
            or _float(dataset.get("NominalInterval")),
        )
        for i in range(num_frames)
    ]


def _get(dataset: pydicom.Dataset, keyword: str, frame: int) -> Any:
    """Look a field up in the frame's functional groups, in the shared ones, at the top."""
    for groups, index in (
        (dataset.get("PerFrameFunctionalGroupsSequence"), frame),
        (dataset.get("SharedFunctionalGroupsSequence"), 0),
    ):
        sequence = groups[index].get(GROUPS[keyword]) if groups else None
        if sequence and keyword in sequence[0]:
            return sequence[0][keyword].value
    return dataset.get(keyword)


def _times_ms(dataset: pydicom.Dataset, num_frames: int) -> list[float | None]:
    if num_frames == 1:
        trigger = _float(dataset.get("TriggerTime"))
        if trigger is None:
            trigger = _float(_get(dataset, "NominalCardiacTriggerDelayTime", 0))
        return [trigger]
    if "PerFrameFunctionalGroupsSequence" not in dataset:
        steps = _floats(dataset.get("FrameTimeVector"))
        if steps and len(steps) == num_frames:
            return list(np.cumsum(steps))
        step = _float(dataset.get("FrameTime"))
        return [None if step is None else i * step for i in range(num_frames)]
    return [_float(_get(dataset, "NominalCardiacTriggerDelayTime", i)) for i in range(num_frames)]


def _intensities(
    dataset: pydicom.Dataset, pixels: Shaped[np.ndarray, "h w"], frame: int
) -> Shaped[np.ndarray, "h w"]:
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        signed = dataset.PixelRepresentation == 1
        pixels = (-1 if signed else 2**dataset.BitsStored - 1) - pixels
    slope = _float(_get(dataset, "RescaleSlope", frame))
    intercept = _float(_get(dataset, "RescaleIntercept", frame)) or 0.0
    if slope in (None, 1.0) and intercept == 0.0:
        return pixels
    return pixels.astype(np.float32) * (1.0 if slope is None else slope) + intercept


def _spacing_mm(dataset: pydicom.Dataset, frame: int) -> tuple[float, float]:
    spacing = _vector(dataset, "PixelSpacing", frame, 2)
    if spacing is None or not all(mm > 0 for mm in spacing):
        raise InputError("has no usable PixelSpacing")
    return spacing[0], spacing[1]


def _vector(
    dataset: pydicom.Dataset, keyword: str, frame: int, length: int
) -> tuple[float, ...] | None:
    value = _get(dataset, keyword, frame)
    if value is None or value == "":
        return None
    vector = tuple(map(float, value if isinstance(value, MultiValue) else [value]))
    if len(vector) != length or not all(map(math.isfinite, vector)):
        raise InputError(f"has a broken {keyword}")
    return vector


def _float(value: Any) -> float | None:
    number = math.nan if value is None or value == "" else float(value)
    return number if math.isfinite(number) else None


def _floats(values: Any) -> tuple[float, ...] | None:
    return tuple(float(value) for value in values) if values else None
