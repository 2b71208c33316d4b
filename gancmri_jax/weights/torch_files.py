"""Tensors out of PyTorch's files without PyTorch: `torch.save` of both formats, and TorchScript.

A file of today is a zip of one pickle and a member a storage; one of before 2020 is five pickles
and then the storages' bytes, each behind its length. TorchScript's zip has code beside them, which
is not read.
"""

import io
import math
import mmap
import pathlib
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from gancmri_jax.errors import InputError
from gancmri_jax.weights.pickles import (
    Name,
    Outside,
    Record,
    flatten,
    read_pickle,
)

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES = {
    "torch.FloatStorage": "<f4",
    "torch.DoubleStorage": "<f8",
    "torch.HalfStorage": "<f2",
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
}
_TENSORS = {"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"}
_PARAMETER = "torch._utils._rebuild_parameter"
_ALLOWED = {
    *_DTYPES,
    *_TENSORS,
    _PARAMETER,
    "collections.OrderedDict",
    "torch.jit._pickle.build_intlist",
    "argparse.Namespace",  # the options of a run, kept beside its weights
}

_MOST_OF_A_STORAGE = 1000  # instructions; a network has many storages

Storages = Callable[[str, np.dtype, int], np.ndarray]  # key, dtype, length → values


def read_torch(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Read a file's tensors by name; what is nested, as TorchScript's modules are, by slashes.

    Raises:
        InputError: The file is broken, or asks for what tensors do not need.
    """
    try:
        if zipfile.is_zipfile(path):
            return _read_zip(path)
        return _read_legacy(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    # Whatever a parser stumbles over is the file's fault.
    except Exception as error:
        raise InputError(
            f"{path}: is broken or no PyTorch file ({type(error).__name__})"
        ) from error


def read_notes(path: pathlib.Path) -> dict[str, Any]:
    """Read the strings and numbers that stand beside the tensors of a zip, at the top.

    Raises:
        InputError: The file is broken, or asks for what tensors do not need.
    """
    with zipfile.ZipFile(path) as archive:
        (info,) = (info for info in archive.infolist() if info.filename.endswith("/data.pkl"))
        if info.compress_type != zipfile.ZIP_STORED:
            raise InputError("is packed as PyTorch does not pack, as a decompression bomb may be")
        tree = read_pickle(io.BytesIO(archive.read(info)), _allowed)
    members = tree.items if isinstance(tree, Record) else tree
    return {k: v for k, v in members.items() if isinstance(v, str | int | float)}


def _allowed(name: str) -> bool:
    return name in _ALLOWED or name.startswith("__torch__.")  # TorchScript's own classes


def _read_zip(path: pathlib.Path) -> dict[str, np.ndarray]:
    left = path.stat().st_size  # members are stored, not packed, so that they fit into the file
    with zipfile.ZipFile(path) as archive:
        (pickle_name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        root = pickle_name.removesuffix("data.pkl")

        def member(name: str) -> bytes:
            nonlocal left
            info = archive.getinfo(name)
            left -= info.file_size
            if info.compress_type != zipfile.ZIP_STORED or left < 0:
                raise InputError(
                    "is packed as PyTorch does not pack, as a decompression bomb may be"
                )
            return archive.read(info)

        def storage(key: str, dtype: np.dtype, length: int) -> np.ndarray:
            return np.frombuffer(member(f"{root}data/{key}"), dtype, length)

        return _tensors(read_pickle(io.BytesIO(member(pickle_name)), _allowed), storage)


def read_storage(content: bytes) -> np.ndarray:
    """Read the one storage that `torch.save` wrote into bytes, as pickles of modules hold it.

    Raises:
        InputError: It is broken.
    """
    try:
        file = io.BytesIO(content)
        reference, _ = _legacy_head(file, _MOST_OF_A_STORAGE)
        _, dtype, length = _storage_key(reference)
        if struct.unpack("<q", file.read(8)) != (length,):
            raise ValueError("says two lengths")
        return np.frombuffer(content, dtype, length, file.tell())
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"holds a broken storage ({type(error).__name__})") from error


def _legacy_head(file: Any, most: int | None = None) -> tuple[Any, Any]:
    magic, _, system, tree, keys = (read_pickle(file, _allowed, most) for _ in range(5))
    if magic != LEGACY_MAGIC or not system["little_endian"]:
        raise InputError("is no PyTorch file of a little-endian machine")
    return tree, keys


def _read_legacy(path: pathlib.Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        tree, keys = _legacy_head(content)
        # The order is that of `keys`, and a storage's type stands in the tree alone.
        wanted = _storages(tree)
        values = {}
        for key in keys:
            dtype, length = wanted[key]
            if struct.unpack("<q", content.read(8)) != (length,):
                raise InputError(f"says two lengths of storage {key[:50]!r}")
            values[key] = np.frombuffer(content.read(length * dtype.itemsize), dtype, length)
    return _tensors(tree, lambda key, dtype, length: values[key])


def _is_tensor(node: Any) -> bool:
    return isinstance(node, Record) and (node.path in _TENSORS or node.path == _PARAMETER)


def _records(tree: Any) -> dict[str, Record]:
    leaves = flatten(tree, _is_tensor)
    return {
        name: record.args[0] if record.path == _PARAMETER else record
        for name, record in leaves.items()
    }


def _storage_of(record: Record) -> tuple[str, np.dtype, int]:
    return _storage_key(record.args[0])


def _storage_key(reference: Any) -> tuple[str, np.dtype, int]:
    assert isinstance(reference, Outside)
    _, kind, key, _, length, *view = reference.key
    assert isinstance(kind, Name) and isinstance(key, str) and view in ([], [None])
    return key, np.dtype(_DTYPES[kind.path]), length


def _storages(tree: Any) -> dict[str, tuple[np.dtype, int]]:
    return {
        key: (dtype, length) for key, dtype, length in map(_storage_of, _records(tree).values())
    }


def _tensors(tree: Any, storage: Storages) -> dict[str, np.ndarray]:
    loaded: dict[str, np.ndarray] = {}
    tensors = {}
    for name, record in _records(tree).items():
        key, dtype, length = _storage_of(record)
        if key not in loaded:
            loaded[key] = storage(key, dtype, length)
        try:
            tensors[name] = tensor_of(loaded[key], *record.args[1:4])
        except ValueError as error:
            raise InputError(
                f"holds a tensor {name[:100]!r} that is no plain piece of its storage"
            ) from error
    return tensors


def tensor_of(
    storage: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> np.ndarray:
    """Return a tensor that lies in one piece of its storage, in whichever order of its axes.

    Raises:
        ValueError: It has holes or overlaps, or reaches beyond the storage.
    """
    order = sorted((a for a, size in enumerate(shape) if size != 1), key=lambda a: -strides[a])
    sizes = [shape[axis] for axis in order]
    dense = [math.prod(sizes[place + 1 :]) for place in range(len(order))]
    count = math.prod(shape)
    if [strides[a] for a in order] != dense or offset < 0 or offset + count > len(storage):
        raise ValueError(f"strides {strides} of shape {shape}")
    whole = storage[offset : offset + count].reshape(sizes)
    return whole.transpose(np.argsort(order)).reshape(shape)
