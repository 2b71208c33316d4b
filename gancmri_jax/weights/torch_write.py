"""Files that `torch.load(..., weights_only=True)` reads, written without PyTorch.

Such a file is a zip, unpacked, of a pickle and one member a storage. The pickle is put together
here from the few instructions that dictionaries of tensors need.
"""

import pathlib
import struct
import zipfile
from collections.abc import Mapping
from pickle import (
    BINFLOAT,
    BININT,
    BINPERSID,
    BINUNICODE,
    EMPTY_DICT,
    GLOBAL,
    MARK,
    NEWFALSE,
    NEWTRUE,
    PROTO,
    REDUCE,
    SETITEM,
    STOP,
    TUPLE,
)
from typing import Any

import numpy as np

_TIME = (1980, 1, 1, 0, 0, 0)  # in every member, so that equal models are equal files


def write_torch(path: pathlib.Path, tree: Mapping[str, Any]) -> None:
    """Write nested dictionaries of float32 arrays, strings and numbers, as `torch.save` does."""
    arrays: list[np.ndarray] = []
    content = PROTO + b"\x02" + _value(tree, arrays) + STOP
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:

        def member(name: str, data: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(f"archive/{name}", _TIME), data)

        member("data.pkl", content)
        member("byteorder", b"little")
        for key, array in enumerate(arrays):
            member(f"data/{key}", np.ascontiguousarray(array, "<f4").tobytes())
        member("version", b"3\n")


def _value(value: Any, arrays: list[np.ndarray]) -> bytes:
    if isinstance(value, Mapping):
        items = (_text(key) + _value(member, arrays) + SETITEM for key, member in value.items())
        return EMPTY_DICT + b"".join(items)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return NEWTRUE if value else NEWFALSE
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return BINFLOAT + struct.pack(">d", value)
    arrays.append(value)
    return _tensor(value, str(len(arrays) - 1))


def _tensor(array: np.ndarray, key: str) -> bytes:
    """Call `_rebuild_tensor_v2` with storage, offset, shape, strides, no gradient, no hooks."""
    strides = np.empty(array.shape, np.int8).strides  # in items, of the array made contiguous
    kind = _name("torch", "FloatStorage")
    storage = _tuple(_text("storage"), kind, _text(key), _text("cpu"), _integer(array.size))
    hooks = _name("collections", "OrderedDict") + _tuple() + REDUCE
    shape, steps = (_tuple(*map(_integer, sizes)) for sizes in (array.shape, strides))
    args = _tuple(storage + BINPERSID, _integer(0), shape, steps, NEWFALSE, hooks)
    return _name("torch._utils", "_rebuild_tensor_v2") + args + REDUCE


def _name(module: str, name: str) -> bytes:
    return GLOBAL + f"{module}\n{name}\n".encode()


def _text(text: str) -> bytes:
    data = text.encode()
    return BINUNICODE + struct.pack("<I", len(data)) + data


def _integer(value: int) -> bytes:
    return BININT + struct.pack("<i", value)


def _tuple(*members: bytes) -> bytes:
    return MARK + b"".join(members) + TUPLE
