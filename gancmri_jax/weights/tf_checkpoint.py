"""TensorFlow's checkpoints of version 2 without TensorFlow: an index and one file of data.

The index is a sorted string table: under the empty key a BundleHeaderProto, under each variable's
name a BundleEntryProto (tensorflow/core/protobuf/tensor_bundle.proto), which says dtype, shape,
place in the data file, and CRC-32C.
"""

import math
import pathlib
import struct
from typing import Any

import numpy as np

from gancmri_jax.errors import InputError
from gancmri_jax.weights.sstable import masked_crc32c, read_sstable, varint

_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}  # of TensorFlow's DataType
_LARGEST_INDEX = 1 << 24  # bytes; the cardiac FCN's has some thousands
# Field numbers.
_NUM_SHARDS, _ENDIANNESS = 1, 2
_DTYPE, _SHAPE, _SHARD, _OFFSET, _SIZE, _CRC32C, _SLICES = 1, 2, 3, 4, 5, 6, 7
_DIM, _UNKNOWN_RANK, _DIM_SIZE = 2, 3, 1


def read_checkpoint(index: pathlib.Path, data: pathlib.Path) -> dict[str, np.ndarray]:
    """Read every variable, checked by shape, size and checksum.

    Raises:
        InputError: Either file cannot be read, or does not hold what the index says.
    """
    if index.stat().st_size > _LARGEST_INDEX:
        raise InputError(f"{index}: is too large for the index of a checkpoint")
    try:
        entries = read_sstable(index.read_bytes())
        _check_header(_fields(entries.pop(b"", b"")))
    except (IndexError, ValueError, struct.error) as error:
        told = error if isinstance(error, InputError) else "is no index of a checkpoint"
        raise InputError(f"{index}: {told}") from error
    variables = {}
    length = data.stat().st_size
    left = length  # variables do not overlap, so that together they fit into the file
    with data.open("rb") as file:
        for key, value in entries.items():
            name = key.decode("utf-8", "replace")
            try:
                dtype, shape, offset, size, checksum = _entry(_fields(value))
                left -= size
                if min(left, offset, *shape, 0) < 0 or offset + size > length:
                    raise InputError("lies beyond the end of the data")
                if size != math.prod(shape) * dtype.itemsize:
                    raise InputError(f"has {size} bytes, which are not {dtype} {shape}")
                file.seek(offset)
                content = file.read(size)
                if masked_crc32c(content) != checksum:
                    raise InputError("does not match its checksum")
                variables[name] = np.frombuffer(content, dtype).reshape(shape)
            except (IndexError, KeyError, TypeError, ValueError, struct.error) as error:
                told = error if isinstance(error, InputError) else "has a broken entry"
                raise InputError(f"{data}: variable {name[:100]} {told}") from error
    return variables


def _check_header(header: dict[int, list[Any]]) -> None:
    shards = header.get(_NUM_SHARDS, [0])[0]
    if shards != 1:
        raise InputError(f"is the index of a checkpoint in {shards} parts; only one can be read")
    if header.get(_ENDIANNESS, [0])[0] != 0:
        raise InputError("is the index of a big-endian checkpoint")


def _entry(entry: dict[int, list[Any]]) -> tuple[np.dtype, tuple[int, ...], int, int, int]:
    def number(field: int) -> int:
        return entry.get(field, [0])[0]

    if number(_DTYPE) not in _DTYPES:
        raise InputError(f"is of TensorFlow's type {number(_DTYPE)}, no plain number")
    if _SLICES in entry or number(_SHARD):
        raise InputError("is in several parts")
    shape = _fields(entry.get(_SHAPE, [b""])[0])
    if shape.get(_UNKNOWN_RANK, [0])[0]:
        raise InputError("has no shape")
    sizes = tuple(_fields(dim).get(_DIM_SIZE, [0])[0] for dim in shape.get(_DIM, []))
    dtype = np.dtype(_DTYPES[number(_DTYPE)])
    return dtype, sizes, number(_OFFSET), number(_SIZE), number(_CRC32C)


def _fields(message: bytes) -> dict[int, list[Any]]:
    """Return the fields of a protocol buffer by number: numbers and bytes."""
    fields: dict[int, list[Any]] = {}
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        value: Any
        if tag & 7 == 0:
            value, at = varint(message, at)
        elif tag & 7 == 2:
            size, at = varint(message, at)
            value = message[at : at + size]
            if len(value) != size:
                raise ValueError("a field beyond its message")
            at += size
        elif tag & 7 == 5:
            (value,) = struct.unpack_from("<I", message, at)
            at += 4
        elif tag & 7 == 1:
            (value,) = struct.unpack_from("<Q", message, at)
            at += 8
        else:
            raise ValueError("a field of no known kind")
        fields.setdefault(tag >> 3, []).append(value)
    return fields
