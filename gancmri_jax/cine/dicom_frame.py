"""Frames of one DICOM file: a single one, or those of an enhanced multi-frame object.

Headers are read at once, pixels when they are asked for, because most files of an export are not
the cine that is looked for.
"""

import dataclasses
import functools
import io
import math
import pathlib
import re
import warnings
from typing import Any

import numpy as np
import pydicom
from jaxtyping import Bool, Shaped
from pydicom.multival import MultiValue
from pydicom.uid import AllTransferSyntaxes, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from gancmri_jax.cine.files import MOST_BYTES, File
from gancmri_jax.errors import InputError

DEFLATED = b"1.2.840.10008.1.2.1.99"
SUFFIXES = (".dcm", ".ima", ".dicom", ".dic")
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
FIRST_GROUPS = (b"\x02\x00", b"\x08\x00")  # of a file without a preamble
EXPLICIT_VRS = {b"UL", b"UI", b"CS", b"DA", b"TM", b"SH", b"LO", b"OB", b"DT"}

# Where an enhanced object keeps what a classic one has at its top: PS3.3, C.7.6.16.
GROUPS = {
    "PixelSpacing": "PixelMeasuresSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "ImagePositionPatient": "PlanePositionSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "NominalCardiacTriggerDelayTime": "CardiacSynchronizationSequence",
    "RRIntervalTimeNominal": "CardiacSynchronizationSequence",
    "FrameType": "MRImageFrameTypeSequence",
    "ComplexImageComponent": "MRImageFrameTypeSequence",
    "TemporalPositionIndex": "FrameContentSequence",
    "TemporalPositionTimeOffset": "TemporalPositionSequence",
    "EffectiveEchoTime": "MREchoSequence",
    "InversionTimes": "MRModifierSequence",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """A picture with what its header says of person, place, time and series.

    Attributes:
        part: `magnitude`, `phase`, `real` or `imaginary`, of a complex image; empty where the
            header does not say.
        kinds: The values of ImageType, or of the frame's own type, in small letters.
        trigger_ms: Since the R wave.
        temporal: The position in time, as a number that counts.
        clock_s: When it was acquired, in seconds of the day.
        num_phases: How many frames the scanner says that the beat has.
    """

    path: pathlib.Path
    shape: tuple[int, int]
    bits: int
    spacing_mm: tuple[float, float]
    reference: str
    patient: str
    study: str
    series: str
    uid: str
    description: str
    series_number: float
    orientation: tuple[float, ...]  # direction of a row, direction of a column
    position_mm: tuple[float, ...]
    part: str
    kinds: tuple[str, ...]
    trigger_ms: float | None
    instance: float | None
    temporal: float | None
    acquisition: float | None
    clock_s: float | None
    beat_ms: float | None
    num_phases: float | None
    inversion_ms: float | None
    echo_ms: float | None
    index: int
    source: "_Pixels"

    @functools.cached_property
    def pixels(self) -> Shaped[np.ndarray, "h w"]:
        """Intensities, the rescaled ones with all their bits, bright where the body is bright.

        Raises:
            InputError: They are broken, or compressed in a way that cannot be unpacked.
        """
        return self.source.intensities(self.index)

    @functools.cached_property
    def padding(self) -> Bool[np.ndarray, "h w"] | None:
        """Where the scanner filled up what it did not measure; None where it did not."""
        return self.source.padding(self.index)


def is_dicom(file: File) -> bool:
    """Tell by its mark, its suffix or its first bytes whether a file wants to be a DICOM image."""
    if file.path.name.upper().startswith("DICOMDIR"):
        return False
    if file.path.suffix.lower() in SUFFIXES:
        return True
    head = file.head(132)
    return head[128:] == b"DICM" or _is_bare(head)


def _is_bare(head: bytes) -> bool:
    """Tell whether bytes are the first element of a DICOM file that lacks preamble and mark."""
    if len(head) < 16 or head[:2] not in FIRST_GROUPS:
        return False
    element = int.from_bytes(head[2:4], "little")
    if element > 0x0100:
        return False
    return head[4:6] in EXPLICIT_VRS or int.from_bytes(head[4:8], "little") <= 64


def read_frames(file: File) -> list[Frame]:
    """Read the headers of the frames of a DICOM file, in its order.

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
            return _frames(dataset, file.path, _syntax(dataset, content))
        except InputError:
            raise
        except Exception as error:
            raise _broken(_syntax(dataset, content), error) from error


def _syntax(dataset: pydicom.Dataset, content: bytes) -> str:
    """Return the transfer syntax, by its first bytes where the file does not name it."""
    if named := dataset.file_meta.get("TransferSyntaxUID"):
        return named
    if not dataset.original_encoding[1]:
        return "1.2.840.10008.1.2.2"
    return ImplicitVRLittleEndian if dataset.original_encoding[0] else ExplicitVRLittleEndian


def _broken(syntax: str, error: Exception) -> InputError:
    if syntax in AllTransferSyntaxes and pydicom.uid.UID(syntax).is_compressed:
        return InputError(
            f"is compressed by {pydicom.uid.UID(syntax).name} and could not be unpacked; write it "
            "uncompressed, say by dcmdjpeg or gdcmconv --raw"
        )
    return InputError(f"has broken pixels or header fields ({type(error).__name__})")


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


class _Pixels:
    """The pixels of a file, unpacked when the first of its frames is asked for."""

    def __init__(self, dataset: pydicom.Dataset, num_frames: int, syntax: str) -> None:
        self._dataset, self._syntax = dataset, syntax
        self._shape = (num_frames, dataset.Rows, dataset.Columns)
        bits = dataset.BitsAllocated
        self._plain = (
            syntax in NATIVE
            and bits in (8, 16, 32)
            and num_frames > 0
            and dataset.get("PixelRepresentation") in (0, 1)
        )
        if self._plain and len(dataset.PixelData) < math.prod(self._shape) * bits // 8:
            raise ValueError("too few bytes")

    @functools.cached_property
    def _stored(self) -> Shaped[np.ndarray, "n h w"]:
        dataset = self._dataset
        if not self._plain:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if not dataset.file_meta.get("TransferSyntaxUID"):
                    dataset.file_meta.TransferSyntaxUID = self._syntax
                array = dataset.pixel_array.reshape(self._shape)
        else:
            kind = f"<{'ui'[dataset.PixelRepresentation]}{dataset.BitsAllocated // 8}"
            count = math.prod(self._shape)
            array = np.frombuffer(dataset.PixelData, kind, count).reshape(self._shape)
        return self._without_overlay(array)

    def _without_overlay(self, array: Shaped[np.ndarray, "n h w"]) -> Shaped[np.ndarray, "n h w"]:
        """Drop what lies in the bits beside the stored ones: overlays, or leftovers."""
        allocated, stored = 8 * array.itemsize, int(self._dataset.get("BitsStored") or 0)
        high = int(self._dataset.get("HighBit", stored - 1))
        if array.dtype.kind not in "iu" or not 0 < stored < allocated or high < stored - 1:
            return array
        if high > stored - 1 and self._plain:
            array = array.view(array.dtype.str.replace("i", "u")) >> (high + 1 - stored)
        signed = self._dataset.get("PixelRepresentation") == 1
        if signed:
            array = array.view(array.dtype.str.replace("u", "i"))
            return (array << (allocated - stored)) >> (allocated - stored)
        return array & (2**stored - 1)

    def _frame(self, index: int) -> Shaped[np.ndarray, "h w"]:
        try:
            return self._stored[index]
        except Exception as error:  # whatever a decoder stumbles over is the file's fault
            raise _broken(self._syntax, error) from error

    def intensities(self, index: int) -> Shaped[np.ndarray, "h w"]:
        """Return a frame rescaled, MONOCHROME1 inverted."""
        dataset, pixels = self._dataset, self._frame(index)
        if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
            signed = dataset.PixelRepresentation == 1
            pixels = (-1 if signed else 2**dataset.BitsStored - 1) - pixels
        slope = _float(_get(dataset, "RescaleSlope", index))
        intercept = _float(_get(dataset, "RescaleIntercept", index)) or 0.0
        if slope in (None, 1.0) and intercept == 0.0:
            return pixels
        return pixels.astype(np.float32) * (1.0 if slope is None else slope) + intercept

    def padding(self, index: int) -> Bool[np.ndarray, "h w"] | None:
        """Return where a frame holds PixelPaddingValue, or lies in its range."""
        value = self._dataset.get("PixelPaddingValue")
        if not isinstance(value, int):
            return None
        limit = self._dataset.get("PixelPaddingRangeLimit")
        low, high = sorted((value, limit if isinstance(limit, int) else value))
        stored = self._frame(index)
        if stored.dtype.kind == "u" and high < 0:  # written as signed, meant as unsigned
            low, high = (v % 2 ** (8 * stored.itemsize) for v in (low, high))
        mask = (stored >= low) & (stored <= high)
        return mask if mask.any() else None


def _frames(dataset: pydicom.Dataset, path: pathlib.Path, syntax: str) -> list[Frame]:
    num_frames = int(dataset.get("NumberOfFrames") or 1)
    source = _Pixels(dataset, num_frames, syntax)
    times = _times_ms(dataset, num_frames)
    reference = str(dataset.get("FrameOfReferenceUID") or "")
    patient = str(dataset.get("PatientID") or "").strip()
    study = str(dataset.get("StudyInstanceUID") or "")
    series = str(dataset.get("SeriesInstanceUID") or "")
    uid = str(dataset.get("SOPInstanceUID") or "")
    named = [str(dataset.get(name) or "").strip() for name in ("SeriesDescription", "ProtocolName")]
    series_number = _float(dataset.get("SeriesNumber")) or 0.0
    acquisition = _float(dataset.get("AcquisitionNumber"))
    clock_s = _seconds(dataset.get("AcquisitionTime"))
    num_phases = _float(dataset.get("CardiacNumberOfImages"))
    slice_mm = _float(dataset.get("SliceLocation")) or 0.0
    nominal_ms = _float(dataset.get("NominalInterval"))
    ge_part = _ge_part(dataset)
    frames = []
    for i in range(num_frames):
        kinds = _kinds(dataset, i)
        frames.append(
            Frame(
                path=path,
                shape=(dataset.Rows, dataset.Columns),
                bits=dataset.BitsAllocated,
                spacing_mm=_spacing_mm(dataset, i),
                reference=reference,
                patient=patient,
                study=study,
                series=series,
                uid=uid if num_frames == 1 else f"{uid}/{i}",
                description=named[0] or named[1],
                series_number=series_number,
                orientation=_vector(dataset, "ImageOrientationPatient", i, 6) or (0.0,) * 6,
                position_mm=_vector(dataset, "ImagePositionPatient", i, 3) or (0.0, 0.0, slice_mm),
                part=_part(dataset, i, kinds) or ge_part,
                kinds=kinds,
                trigger_ms=times[i],
                instance=_float(dataset.get("InstanceNumber")) if num_frames == 1 else float(i),
                temporal=_temporal(dataset, i),
                acquisition=acquisition,
                clock_s=clock_s,
                beat_ms=_float(_get(dataset, "RRIntervalTimeNominal", i)) or nominal_ms,
                num_phases=num_phases,
                inversion_ms=_first(
                    _get(dataset, "InversionTimes", i), dataset.get("InversionTime")
                ),
                echo_ms=_first(_get(dataset, "EffectiveEchoTime", i), dataset.get("EchoTime")),
                index=i,
                source=source,
            )
        )
    return frames


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


def _kinds(dataset: pydicom.Dataset, frame: int) -> tuple[str, ...]:
    value = _get(dataset, "FrameType", frame) or dataset.get("ImageType") or ()
    values = value if isinstance(value, MultiValue) else [value] if isinstance(value, str) else []
    return tuple(str(kind).strip().lower() for kind in values)


def _part(dataset: pydicom.Dataset, frame: int, kinds: tuple[str, ...]) -> str:
    """Return which part of the complex image a frame is, by any of the ways to say so."""
    said = str(_get(dataset, "ComplexImageComponent", frame) or "").strip().lower()
    if said in ("magnitude", "phase", "real", "imaginary"):
        return said
    further = kinds[2:]  # ORIGINAL and PRIMARY say nothing of it
    if any(
        kind in ("p", "phase", "velocity map", "vel map", "pca", "phase map") for kind in further
    ):
        return "phase"
    if any(kind.startswith(("velocity", "phase")) and not kind.endswith(" m") for kind in further):
        return "phase"
    if "r" in further or "real" in further:
        return "real"
    if "i" in further or "imaginary" in further:
        return "imaginary"
    magnitude = any(kind in ("m", "magnitude", "mag", "ffe", "m_ffe") for kind in further)
    return "magnitude" if magnitude else ""


def _ge_part(dataset: pydicom.Dataset) -> str:
    """Return GE's private word for the part of the complex image."""
    element = dataset.get((0x0043, 0x102F))
    if element is None or not str(dataset.get("Manufacturer") or "").upper().startswith("GE"):
        return ""
    value = element.value
    if isinstance(value, bytes):
        value = int.from_bytes(value[:2], "little")
    number = _float(value) if isinstance(value, int | float | str) else None
    return {0.0: "", 1.0: "phase", 2.0: "real", 3.0: "imaginary"}.get(number or 0.0, "")


def _temporal(dataset: pydicom.Dataset, frame: int) -> float | None:
    index = _float(_get(dataset, "TemporalPositionIndex", frame))
    if index is None:
        index = _float(_get(dataset, "TemporalPositionTimeOffset", frame))
    return _float(dataset.get("TemporalPositionIdentifier")) if index is None else index


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


def _seconds(value: Any) -> float | None:
    """Return a DICOM time of day, HHMMSS.FFFFFF, in seconds."""
    match = re.match(r"(\d\d)(\d\d)(\d\d(?:\.\d+)?)?", str(value or ""))
    if match is None:
        return None
    return 3600 * int(match[1]) + 60 * int(match[2]) + float(match[3] or 0)


def _first(*values: Any) -> float | None:
    """Return the first number there is, of lists their first."""
    for value in values:
        if isinstance(value, MultiValue | list):
            value = value[0] if len(value) else None
        if (number := _float(value)) is not None:
            return number
    return None


def _float(value: Any) -> float | None:
    try:
        number = math.nan if value is None or value == "" else float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _floats(values: Any) -> tuple[float, ...] | None:
    return tuple(float(value) for value in values) if values else None
