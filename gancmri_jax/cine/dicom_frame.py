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

import numpy as np
import pydicom
from jaxtyping import Bool, Shaped
from pydicom.uid import (
    AllTransferSyntaxes,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from gancmri_jax.cine.dicom_header import PER_FRAME, Header, first_number
from gancmri_jax.cine.files import MOST_BYTES, File
from gancmri_jax.errors import InputError

DEFLATED = b"1.2.840.10008.1.2.1.99"
SUFFIXES = (".dcm", ".ima", ".dicom", ".dic")
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
FIRST_GROUPS = (b"\x02\x00", b"\x08\x00")  # of a file without a preamble
EXPLICIT_VRS = {b"UL", b"UI", b"CS", b"DA", b"TM", b"SH", b"LO", b"OB", b"DT"}


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
            header = Header(dataset)
            found = "Rows" in header and "PixelData" in header
        except Exception as error:  # whatever a parser stumbles over is the file's fault
            raise InputError(f"is broken or no DICOM file ({type(error).__name__})") from error
        if not found:
            raise InputError("holds no DICOM image")
        try:
            _check(header)
            return _frames(header, file.path, _syntax(dataset))
        except InputError:
            raise
        except Exception as error:
            raise _broken(_syntax(dataset), error) from error


def _syntax(dataset: pydicom.Dataset) -> str:
    """Return the transfer syntax, by how the file was parsed where it does not name it."""
    if named := dataset.file_meta.get("TransferSyntaxUID"):
        return named
    if not dataset.original_encoding[1]:
        return ExplicitVRBigEndian
    return ImplicitVRLittleEndian if dataset.original_encoding[0] else ExplicitVRLittleEndian


def _broken(syntax: str, error: Exception) -> InputError:
    if syntax in AllTransferSyntaxes and pydicom.uid.UID(syntax).is_compressed:
        return InputError(
            f"is compressed by {pydicom.uid.UID(syntax).name} and could not be unpacked; write it "
            "uncompressed, say by dcmdjpeg or gdcmconv --raw"
        )
    return InputError(f"has broken pixels or header fields ({type(error).__name__})")


def _check(header: Header) -> None:
    modality = header.text("Modality") or "MR"
    if modality != "MR":
        code = modality if re.fullmatch("[A-Z]{2,4}", modality) else "unknown"
        raise InputError(f"is of modality {code}, not MR")
    if header.short("SamplesPerPixel", 1) != 1:
        raise InputError("is a colour picture, not an MR frame")
    num_frames = int(header.number("NumberOfFrames") or 1)
    num_pixels = header.short("Rows") * header.short("Columns") * num_frames
    num_bytes = num_pixels * header.short("BitsAllocated") // 8
    if num_bytes > MOST_BYTES:
        raise InputError(f"would unpack to {num_bytes >> 20} MiB of pixels, no cine")


class _Pixels:
    """The pixels of a file, unpacked when the first of its frames is asked for."""

    def __init__(self, header: Header, num_frames: int, syntax: str) -> None:
        self._header, self._dataset, self._syntax = header, header.dataset, syntax
        self._shape = (num_frames, header.short("Rows"), header.short("Columns"))
        self._bits = header.short("BitsAllocated")
        self._signed = header.short("PixelRepresentation", -1)
        self._plain = syntax in NATIVE and self._bits in (8, 16, 32) and self._signed in (0, 1)
        num_bytes = math.prod(self._shape) * self._bits // 8
        if self._plain and len(self._dataset.PixelData) < num_bytes:
            raise ValueError("too few bytes")

    @functools.cached_property
    def _stored(self) -> Shaped[np.ndarray, "n h w"]:
        dataset = self._dataset
        if not self._plain:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if not dataset.file_meta.get("TransferSyntaxUID"):
                    dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(self._syntax)
                array = dataset.pixel_array.reshape(self._shape)
        else:
            kind = f"<{'ui'[self._signed]}{self._bits // 8}"
            count = math.prod(self._shape)
            array = np.frombuffer(dataset.PixelData, kind, count).reshape(self._shape)
        return self._without_overlay(array)

    def _without_overlay(self, array: Shaped[np.ndarray, "n h w"]) -> Shaped[np.ndarray, "n h w"]:
        """Drop what lies in the bits beside the stored ones: overlays, or leftovers."""
        allocated, stored = 8 * array.itemsize, self._header.short("BitsStored")
        high = self._header.short("HighBit", stored - 1)
        if array.dtype.kind not in "iu" or not 0 < stored < allocated or high < stored - 1:
            return array
        if high > stored - 1 and self._plain:
            array = array.view(array.dtype.str.replace("i", "u")) >> (high + 1 - stored)
        elif self._signed != 1 and not array.max() >> stored:
            return array
        if self._signed == 1:
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
        header, pixels = self._header, self._frame(index)
        if header.text("PhotometricInterpretation") == "MONOCHROME1":
            pixels = (-1 if self._signed == 1 else 2 ** header.short("BitsStored") - 1) - pixels
        slope = header.number("RescaleSlope", index)
        intercept = header.number("RescaleIntercept", index) or 0.0
        if slope in (None, 1.0) and intercept == 0.0:
            return pixels
        return pixels.astype(np.float32) * (1.0 if slope is None else slope) + intercept

    def padding(self, index: int) -> Bool[np.ndarray, "h w"] | None:
        """Return where a frame holds PixelPaddingValue, or lies in its range."""
        if "PixelPaddingValue" not in self._header:
            return None
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


def _frames(header: Header, path: pathlib.Path, syntax: str) -> list[Frame]:
    num_frames = int(header.number("NumberOfFrames") or 1)
    source = _Pixels(header, num_frames, syntax)
    times = _times_ms(header, num_frames)
    uid, text, number = header.text("SOPInstanceUID"), header.text, header.number
    single = num_frames == 1
    of_file = {
        "path": path,
        "shape": (header.short("Rows"), header.short("Columns")),
        "bits": header.short("BitsAllocated"),
        "reference": text("FrameOfReferenceUID"),
        "patient": text("PatientID"),
        "study": text("StudyInstanceUID"),
        "series": text("SeriesInstanceUID"),
        "description": text("SeriesDescription") or text("ProtocolName"),
        "series_number": number("SeriesNumber") or 0.0,
        "acquisition": number("AcquisitionNumber"),
        "clock_s": _seconds(text("AcquisitionTime")),
        "num_phases": number("CardiacNumberOfImages"),
        "source": source,
    }
    slice_mm, nominal_ms = number("SliceLocation") or 0.0, number("NominalInterval")
    inversion_ms, echo_ms = number("InversionTime"), number("EchoTime")
    position, ge_part = number("TemporalPositionIdentifier"), _ge_part(header)
    frames = []
    for i in range(num_frames):
        kinds = header.texts("FrameType", i) or header.texts("ImageType", 0)
        kinds = tuple(kind.strip().lower() for kind in kinds)
        temporal = first_number(
            number("TemporalPositionIndex", i), number("TemporalPositionTimeOffset", i), position
        )
        frames.append(
            Frame(
                **of_file,  # type: ignore[arg-type]
                spacing_mm=_spacing_mm(header, i),
                uid=uid if single else f"{uid}/{i}",
                orientation=header.vector("ImageOrientationPatient", i, 6) or (0.0,) * 6,
                position_mm=header.vector("ImagePositionPatient", i, 3) or (0.0, 0.0, slice_mm),
                part=_part(header, i, kinds) or ge_part,
                kinds=kinds,
                trigger_ms=times[i],
                instance=number("InstanceNumber") if single else float(i),
                temporal=temporal,
                beat_ms=number("RRIntervalTimeNominal", i) or nominal_ms,
                inversion_ms=first_number(number("InversionTimes", i), inversion_ms),
                echo_ms=first_number(number("EffectiveEchoTime", i), echo_ms),
                index=i,
            )
        )
    return frames


def _part(header: Header, frame: int, kinds: tuple[str, ...]) -> str:
    """Return which part of the complex image a frame is, by any of the ways to say so."""
    said = "".join(header.texts("ComplexImageComponent", frame)).strip().lower()
    if said in ("magnitude", "phase", "real", "imaginary"):
        return said
    further = kinds[2:]  # ORIGINAL and PRIMARY say nothing of it
    if any(kind in ("p", "pca", "vel map") for kind in further):
        return "phase"
    if any(kind.startswith(("velocity", "phase")) and not kind.endswith(" m") for kind in further):
        return "phase"
    if "r" in further or "real" in further:
        return "real"
    if "i" in further or "imaginary" in further:
        return "imaginary"
    magnitude = any(kind in ("m", "magnitude", "mag", "ffe", "m_ffe") for kind in further)
    return "magnitude" if magnitude else ""


def _ge_part(header: Header) -> str:
    """Return GE's private word for the part of the complex image."""
    if not header.text("Manufacturer").upper().startswith("GE"):
        return ""
    element = header.dataset.get((0x0043, 0x102F))
    value = None if element is None else element.value
    if isinstance(value, bytes):
        value = int.from_bytes(value[:2], "little")
    return {1.0: "phase", 2.0: "real", 3.0: "imaginary"}.get(first_number(value) or 0.0, "")


def _times_ms(header: Header, num_frames: int) -> list[float | None]:
    if num_frames == 1:
        trigger = header.number("TriggerTime")
        return [header.number("NominalCardiacTriggerDelayTime", 0) if trigger is None else trigger]
    if PER_FRAME not in header:
        steps = header.dataset.get("FrameTimeVector")
        if steps and len(steps) == num_frames:
            return [float(time) for time in np.cumsum([float(step) for step in steps])]
        step = header.number("FrameTime")
        return [None if step is None else i * step for i in range(num_frames)]
    return [header.number("NominalCardiacTriggerDelayTime", i) for i in range(num_frames)]


def _spacing_mm(header: Header, frame: int) -> tuple[float, float]:
    spacing = header.vector("PixelSpacing", frame, 2)
    if spacing is None or not all(mm > 0 for mm in spacing):
        raise InputError("has no usable PixelSpacing")
    return spacing[0], spacing[1]


@functools.lru_cache(4096)
def _seconds(value: str) -> float | None:
    """Return a DICOM time of day, HHMMSS.FFFFFF, in seconds."""
    match = re.match(r"(\d\d)(\d\d)(\d\d(?:\.\d+)?)?", value)
    if match is None:
        return None
    return 3600 * int(match[1]) + 60 * int(match[2]) + float(match[3] or 0)
