"""All that a file holds, layer by layer: its bytes, and what is packed or compressed inside.

Zips (so `.npz`), gzip, bz2 and xz, ArrayRecords, DICOM, texts and EXIF of pictures, base64 in
pages, strings of Zarr arrays. What is packed in another way shows as its bytes alone.
"""

import base64
import bz2
import dataclasses
import io
import json
import lzma
import pathlib
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import pydicom
import zarr
from array_record.python.array_record_module import ArrayRecordReader
from PIL import Image

from gancmri_jax.cine.files import MOST_BYTES
from gancmri_jax.tables import loose_rows

MOST_LEVELS = 4
CHUNK = 2**24
OVERLAP = 2**10  # longer than any identifier, so that none is cut in two
SUBJECT_KEYS = {"id", "name", "path", "patient", "subject", "subjects"}
ZIP, GZIP, BZ2, XZ = PACKED = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
PICTURES = (b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"II*\0", b"MM\0*")
DICOM_BYTES = ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UN")  # which are searched as bytes
DICOM_NAMES = ("PatientID", "PatientName")
EMBEDDED = re.compile(rb";base64,([A-Za-z0-9+/=\s]{16,})")


@dataclasses.dataclass(frozen=True)
class Layer:
    """A piece of what a file holds.

    Attributes:
        place: Where in the file; empty for the file's own bytes.
        content: The bytes.
        names: Strings that stand where a subject's name stands, or a file's.
        trouble: Why the piece could not be unpacked, and so not be searched.
    """

    place: str
    content: bytes = b""
    names: tuple[str, ...] = ()
    trouble: str = ""


def layers(path: pathlib.Path) -> Iterator[Layer]:
    """Yield a file's bytes piece by piece, and then whatever is inside."""
    yield Layer("name", path.name.encode(), (path.name, path.name.partition(".")[0]))
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            tail = b""
            while chunk := file.read(CHUNK):
                yield Layer("", tail + chunk)
                tail = chunk[-OVERLAP:]
            if ".array_record" in path.name and size:
                yield from _records(path)
                return
            file.seek(0)
            if size > MOST_BYTES:
                if file.read(6).startswith(PACKED):
                    yield Layer("", trouble=f"is packed and larger than {MOST_BYTES >> 20} MiB")
                return
            yield from _inside(file.read(), "", path.name, MOST_LEVELS)
    except OSError as error:
        yield Layer("", trouble=f"cannot be read ({error.strerror})")
    if path.name in ("zarr.json", ".zarray"):
        yield from _zarr_strings(path)


def _inside(content: bytes, place: str, name: str, levels: int) -> Iterator[Layer]:
    """Yield what is packed in some bytes."""
    if levels == 0:
        yield Layer(place, trouble="is packed more than four times over")
        return
    try:
        for inner_place, inner_name, inner in _unpack(content, place):
            yield Layer(inner_place, inner, (inner_name, inner_name.partition(".")[0]))
            yield from _inside(inner, inner_place, inner_name, levels - 1)
        yield from _names(content, place, name)
    # Whatever an unpacker stumbles over is for a person to look at.
    except Exception as error:
        yield Layer(place, trouble=f"cannot be unpacked ({type(error).__name__})")


def _unpack(content: bytes, place: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield place, name and bytes of each thing that is packed in some bytes."""
    if content.startswith(ZIP):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                yield f"{place}/name", info.filename, info.filename.encode()
                if info.file_size > MOST_BYTES:
                    raise ValueError("too large")
                member = archive.read(info)
                yield f"{place}/{info.filename}", pathlib.PurePath(info.filename).name, member
    elif content.startswith(GZIP):
        yield f"{place}/gunzipped", "", _limited(zlib.decompressobj(wbits=31), content)
    elif content.startswith(BZ2):
        yield f"{place}/unpacked", "", _limited(bz2.BZ2Decompressor(), content)
    elif content.startswith(XZ):
        yield f"{place}/unpacked", "", _limited(lzma.LZMADecompressor(), content)
    elif content.startswith(PICTURES):
        yield from _picture_texts(content, place)
    elif content[128:132] == b"DICM":
        yield from _dicom_texts(content, place)
    elif content.lstrip()[:9].lower().startswith((b"<!doctype", b"<html", b"<svg")):
        for i, match in enumerate(EMBEDDED.finditer(content)):
            yield f"{place}/embedded {i}", "", base64.b64decode(match[1])


def _limited(unpacker: Any, content: bytes) -> bytes:
    unpacked = unpacker.decompress(content, MOST_BYTES)
    if not unpacker.eof and len(unpacked) >= MOST_BYTES:
        raise ValueError("too large")
    return unpacked


def _picture_texts(content: bytes, place: str) -> Iterator[tuple[str, str, bytes]]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(content)) as image:
            image.load()  # texts may stand behind the pixels
            values = [*image.info.items(), *image.getexif().items()]
    for key, value in values:
        text = value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
        yield f"{place}/metadata {key}", "", text


def _dicom_texts(content: bytes, place: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield the texts of a DICOM file, whatever its character set and compression."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(io.BytesIO(content))
        for element in dataset.iterall():
            if element.VR not in DICOM_BYTES and element.value not in (None, ""):
                name = element.keyword or str(element.tag)
                yield f"{place}/DICOM {name}", "", str(element.value).encode("utf-8", "replace")


def _dicom_names(content: bytes) -> tuple[str, ...]:
    dataset = pydicom.dcmread(io.BytesIO(content), specific_tags=list(DICOM_NAMES))
    values = [str(dataset.get(name, "")) for name in DICOM_NAMES]
    return tuple(part for value in values for part in {value, *value.split("^")} if part)


def _names(content: bytes, place: str, name: str) -> Iterator[Layer]:
    """Yield the strings that stand where a subject's name stands in JSON, CSV and DICOM."""
    if content[128:132] == b"DICM":
        yield Layer(f"{place}/subjects", names=_dicom_names(content))
        return
    if name.endswith((".json", ".jsonl")):
        text = content.decode("utf-8", "replace")
        documents = text.splitlines() if name.endswith(".jsonl") else [text]
        found = [n for d in documents if d.strip() for n in _json_names(json.loads(d))]
        yield Layer(f"{place}/subjects", names=tuple(found))
    elif name.endswith(".csv"):
        header, *rows = loose_rows(content.decode("utf-8-sig", "replace")) or [[]]
        cells = [
            cell
            for row in rows
            for column, cell in zip(header, row, strict=False)
            if _is_subject_key(column)
        ]
        yield Layer(f"{place}/subjects", names=tuple(cells))


def _json_names(value: Any, named: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _json_names(inner, _is_subject_key(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _json_names(inner, named)
    elif isinstance(value, str) and named:
        yield from (value, pathlib.PurePath(value).name)


def _is_subject_key(key: object) -> bool:
    return str(key).lower() in SUBJECT_KEYS


def _records(path: pathlib.Path) -> Iterator[Layer]:
    try:
        reader = ArrayRecordReader(str(path))
        for i in range(reader.num_records()):
            (record,) = reader.read([i])
            yield Layer(f"/record {i}", record, _short_strings(record))
        reader.close()
    except Exception as error:
        yield Layer("", trouble=f"is no ArrayRecord ({type(error).__name__})")


def _short_strings(record: bytes) -> tuple[str, ...]:
    """Return the names a TFDS record holds: the one bytes value of the feature `subject`."""
    # tf.train.Example: field 1 of the map entry is the key, and the bytes list follows it,
    # each behind a byte for the field and one for the length.
    found = re.finditer(rb"\x0a\x07subject\x12.\x0a.\x0a(.)", record, re.DOTALL)
    return tuple(
        record[match.end() : match.end() + match[1][0]].decode("utf-8", "replace")
        for match in found
    )


def _zarr_strings(path: pathlib.Path) -> Iterator[Layer]:
    """Yield the strings of a Zarr array, whose chunks are compressed."""
    try:
        node = zarr.open(str(path.parent), mode="r")
        if not isinstance(node, zarr.Array) or node.dtype.kind not in "OSTU":
            return
        values = tuple(str(value) for value in node[:].ravel())
    except Exception as error:
        yield Layer("", trouble=f"is no Zarr array ({type(error).__name__})")
        return
    yield Layer("/values", "\0".join(values).encode(), values)
