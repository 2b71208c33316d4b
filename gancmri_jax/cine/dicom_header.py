"""Fields of a DICOM header, read without turning each into pydicom's own types.

An export has hundreds of files and each some forty fields that matter; of most series the values
repeat, so that a text is parsed once.
"""

import functools
import math
from typing import Any

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue

from gancmri_jax.errors import InputError

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
PER_FRAME, SHARED = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"


class Header:
    """The fields of a dataset by keyword, and those of its frames in an enhanced object."""

    def __init__(self, dataset: pydicom.Dataset) -> None:
        self.dataset = dataset
        self._elements = {int(tag): element for tag, element in dataset.items()}
        self.is_enhanced = PER_FRAME in self or SHARED in self

    def __contains__(self, keyword: str) -> bool:
        return _tag(keyword) in self._elements

    def text(self, keyword: str) -> str:
        """Return a field as one text, empty where there is none."""
        element = self._elements.get(_tag(keyword))
        if element is None:
            return ""
        if isinstance(element, RawDataElement) and isinstance(element.value, bytes):
            if (said := _ascii(element.value)) is not None:
                return said
        value = self.dataset.get(keyword)
        return "" if value is None else str(value).strip()

    def texts(self, keyword: str, frame: int) -> tuple[str, ...]:
        """Return a frame's field as several texts, none where there is none."""
        value = self._of_frame(keyword, frame)
        if value is None:
            return tuple(part for part in self.text(keyword).split("\\") if part)
        return tuple(str(v) for v in (value if isinstance(value, MultiValue) else [value]))

    def short(self, keyword: str, default: int = 0) -> int:
        """Return a field that is an unsigned or signed short integer."""
        element = self._elements.get(_tag(keyword))
        if element is None:
            return default
        value = element.value
        if isinstance(element, RawDataElement) and isinstance(value, bytes) and len(value) == 2:
            return int.from_bytes(value, "little" if element.is_little_endian else "big")
        value = self.dataset.get(keyword)
        return default if value is None or value == "" else int(value)

    def number(self, keyword: str, frame: int | None = None) -> float | None:
        """Return a field that is a decimal or integer text, of lists the first, or a frame's."""
        if frame is not None and (value := self._of_frame(keyword, frame)) is not None:
            return first_number(value)
        element = self._elements.get(_tag(keyword))
        if element is None:
            return None
        if isinstance(element, RawDataElement) and element.VR in ("DS", "IS", None):
            if isinstance(element.value, bytes) and (said := _ascii(element.value)) is not None:
                return _number(said.partition("\\")[0])
        return first_number(self.dataset.get(keyword))

    def vector(self, keyword: str, frame: int, length: int) -> tuple[float, ...] | None:
        """Return a frame's field of several numbers, None where there is none.

        Raises:
            InputError: It has another number of values, or one is not finite.
        """
        value = self._of_frame(keyword, frame)
        if value is None:
            said = self.text(keyword).strip("[]")
            value = [part for part in said.replace(",", "\\").split("\\") if said]
        vector = _vector(
            tuple(map(str, value if isinstance(value, MultiValue | list) else [value]))
        )
        if not vector:
            return None
        if len(vector) != length or not all(map(math.isfinite, vector)):
            raise InputError(f"has a broken {keyword}")
        return vector

    def _of_frame(self, keyword: str, frame: int) -> Any:
        """Look a field up in the frame's functional groups, and in the shared ones."""
        if not self.is_enhanced or keyword not in GROUPS:
            return None
        for name, index in ((PER_FRAME, frame), (SHARED, 0)):
            groups = self.dataset.get(name)
            sequence = groups[index].get(GROUPS[keyword]) if groups else None
            if sequence and keyword in sequence[0]:
                return sequence[0][keyword].value
        return None


def first_number(*values: Any) -> float | None:
    """Return the first number there is, of lists their first."""
    for value in values:
        if isinstance(value, MultiValue | list):
            value = value[0] if len(value) else None
        if value is not None and (number := _number(str(value))) is not None:
            return number
    return None


@functools.cache
def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return int(tag)


@functools.lru_cache(4096)
def _ascii(value: bytes) -> str | None:
    return value.decode("ascii").strip(" \0\r\n\t") if value.isascii() else None


@functools.lru_cache(4096)
def _number(said: str) -> float | None:
    try:
        number = float(said)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


@functools.lru_cache(4096)
def _vector(said: tuple[str, ...]) -> tuple[float, ...]:
    return tuple(map(float, said))
