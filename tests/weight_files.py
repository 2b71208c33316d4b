"""PyTorch's files, written by hand, and a table that names small weights."""

import hashlib
import io
import pathlib
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np


class Global:
    """Pickle as a reference to `module.name`, which need not exist."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """Pickle as a call of a `Global`."""

    def __init__(self, function, *args):
        self.function, self.args = function, args


class Storage:
    """Pickle as a reference to a storage, under a key."""

    def __init__(self, key, values, kind="FloatStorage"):
        self.key, self.values, self.kind = key, values, kind


class Module:
    """Pickle as TorchScript's modules do: an object made of nothing, then its state."""

    def __init__(self, name, **state):
        self.name, self.state = name, state


class _Pickler(pickle._Pickler):  # the pure one, whose instructions can be written one by one
    legacy = False

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Global):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Call):
            self.save(obj.function)
            self.save(obj.args)
            self.write(pickle.REDUCE)
        elif isinstance(obj, Module):
            self.save(Global("__torch__.net", obj.name))
            self.write(pickle.EMPTY_TUPLE + pickle.NEWOBJ)
            self.save(obj.state)
            self.write(pickle.BUILD)
        elif isinstance(obj, Storage):
            view = (None,) if self.legacy else ()
            kind = Global("torch", obj.kind)
            self.save(("storage", kind, obj.key, "cpu", len(obj.values), *view))
            self.write(pickle.BINPERSID)
        else:
            super().save(obj, save_persistent_id)


def dumps(obj, legacy=False):
    """Return a pickle in which the classes above stand for what they say."""
    file = io.BytesIO()
    pickler = _Pickler(file, protocol=2)
    pickler.legacy = legacy
    pickler.dump(obj)
    return file.getvalue()


def tensor(array, key, shape=None, strides=None, offset=0, values=None):
    """Return what `torch.save` writes for a tensor that fills its storage."""
    shape = array.shape if shape is None else shape
    if strides is None:
        strides = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    storage = Storage(key, array.ravel() if values is None else values)
    rebuild = Global("torch._utils", "_rebuild_tensor_v2")
    return Call(rebuild, storage, offset, shape, strides, False, OrderedDict())


def state_dict(arrays):
    return OrderedDict(
        (name, tensor(array, str(k))) for k, (name, array) in enumerate(arrays.items())
    )


def write_zip(path, arrays, tree=None, compression=zipfile.ZIP_STORED):
    """Write `torch.save`'s format of today."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", dumps(state_dict(arrays) if tree is None else tree))
        for key, array in enumerate(arrays.values()):
            archive.writestr(f"archive/data/{key}", array.astype("<f4").tobytes())


def write_legacy(path, arrays):
    """Write `torch.save`'s format of before 2020; storages lie in an order of their own."""
    keys = [str(key) for key in range(len(arrays))][::-1]
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    heads = (0x1950A86A20F9469CFC6C, 1001, system)
    with path.open("wb") as file:
        for head in heads:
            file.write(dumps(head))
        file.write(dumps(state_dict(arrays), legacy=True))
        file.write(dumps(keys))
        for array in list(arrays.values())[::-1]:
            file.write(struct.pack("<q", array.size) + array.astype("<f4").tobytes())


def sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
