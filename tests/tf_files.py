"""TensorFlow's checkpoints of version 2, and its StyleGAN2 pickles, written by hand."""

import pickle
import struct

import numpy as np

from gancmri_jax.weights.sstable import masked_crc32c

FOOTER_MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
DT = {"<f4": 1, "<f8": 2, "<i4": 3, "<i8": 9}


def varint(value):
    data = b""
    while value > 0x7F:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def message(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def fixed32(field, value):
    return varint(field << 3 | 5) + struct.pack("<I", value)


def as_snappy(data):
    """Compress with literals of up to 60 bytes, and no copies."""
    pieces = [data[at : at + 60] for at in range(0, len(data), 60)]
    return varint(len(data)) + b"".join(bytes([len(p) - 1 << 2]) + p for p in pieces)


def block(entries, restart_every=4):
    """Return a block; keys share their beginnings but where a restart stands."""
    data, before, restarts = b"", b"", []
    for count, (key, value) in enumerate(entries):
        shared = 0
        if count % restart_every == 0:
            restarts.append(len(data))
        else:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        data += varint(shared) + varint(len(key) - shared) + varint(len(value))
        data += key[shared:] + value
        before = key
    restarts = restarts or [0]
    return data + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def sstable(entries, compressed=False, per_block=5):
    """Return a table of sorted entries."""
    content, handles = b"", []

    def put(data, kind):
        nonlocal content
        stored = (as_snappy(data) if kind else data) + bytes([kind])
        handle = varint(len(content)) + varint(len(stored) - 1)
        content += stored + struct.pack("<I", masked_crc32c(stored))
        return handle

    entries = sorted(entries.items())
    for first in range(0, len(entries), per_block):
        part = entries[first : first + per_block]
        handles.append((part[-1][0], put(block(part), int(compressed))))
    meta = put(block([]), 0)
    index = put(block(handles), 0)
    return content + (meta + index).ljust(40, b"\0") + FOOTER_MAGIC


def entry(array, offset, dtype=None, size=None, checksum=None, shape=None):
    dims = b"".join(message(2, number(1, n)) for n in (array.shape if shape is None else shape))
    content = array.tobytes()
    return (
        number(1, DT[array.dtype.str] if dtype is None else dtype)
        + message(2, dims)
        + number(4, offset)
        + number(5, len(content) if size is None else size)
        + fixed32(6, masked_crc32c(content) if checksum is None else checksum)
    )


HEADER = number(1, 1) + message(3, number(1, 1))  # one shard, little-endian, version


def write_checkpoint(stem, arrays, compressed=False, header=HEADER, **changes):
    """Write STEM.index and STEM.data-00000-of-00001; `changes` go into every entry."""
    data, entries = b"", {b"": header}
    for name, array in sorted(arrays.items()):
        entries[name.encode()] = entry(array, len(data), **changes)
        data += array.tobytes()
    paths = stem.with_suffix(".index"), stem.with_suffix(".data-00000-of-00001")
    paths[0].write_bytes(sstable(entries, compressed))
    paths[1].write_bytes(data)
    return paths


class Network:
    """Pickles as a reference to TensorFlow StyleGAN2's class, which is not here."""

    def __init__(self, variables, components=None, **static_kwargs):
        self.state = {
            "version": 4,
            "static_kwargs": static_kwargs,
            "components": components or {},
            "build_module_src": "import os; os.system('touch pwned')",
            "variables": list(variables.items()),
        }


class _Pickler(pickle._Pickler):
    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Network):
            self.write(pickle.GLOBAL + b"dnnlib.tflib.network\nNetwork\n")
            self.write(pickle.EMPTY_TUPLE + pickle.NEWOBJ)
            self.save(obj.state)
            self.write(pickle.BUILD)
        else:
            super().save(obj, save_persistent_id)


def write_tf_pickle(path, networks, protocol=4):
    with path.open("wb") as file:
        _Pickler(file, protocol).dump(networks)


def tf_networks(generator, discriminator, **static_kwargs):
    """Return (G, D, Gs) of state dictionaries under stylegan2-ada-pytorch's names."""

    def dense(array):
        return np.ascontiguousarray(array.T)

    def kernel(array, turned=False):
        array = np.ascontiguousarray(array.transpose(2, 3, 1, 0))
        return array[::-1, ::-1].copy() if turned else array

    mapping, synthesis, noise = {}, {}, {}
    for name, array in generator.items():
        *_, layer, leaf = name.split(".")
        if name.startswith("mapping.fc"):
            mapping[f"Dense{layer[2:]}/{leaf}"] = dense(array)
            continue
        if name.startswith("mapping") or leaf == "resample_filter":
            continue
        _, block_, *_ = name.split(".")
        res = int(block_[1:])
        at = f"{res}x{res}"
        if leaf == "const":
            synthesis["4x4/Const/const"] = array[None]
            continue
        inner = name.split(".")[2]
        theirs = {"torgb": "ToRGB", "conv0": "Conv0_up", "conv1": "Conv1" if res > 4 else "Conv"}
        at = f"{at}/{theirs[inner]}"
        if leaf == "noise_const":
            noise[res, inner] = array[None, None]
        elif layer == "affine":
            changed = dense(array) if leaf == "weight" else array - np.float32(1)
            synthesis[f"{at}/mod_{leaf}"] = changed
        elif leaf == "weight":
            synthesis[f"{at}/weight"] = kernel(array, inner == "conv0")
        else:
            synthesis[f"{at}/{leaf}"] = array[()]  # scalars as numpy's, which TensorFlow gives
    synthesis |= {f"noise{k}": noise[key] for k, key in enumerate(sorted(noise))}
    theirs = {
        **{"fromrgb": "FromRGB", "conv0": "Conv0", "conv1": "Conv1_down"},
        **{"skip": "Skip", "conv": "Conv", "fc": "Dense0"},
    }
    judge = {"lod": np.float32(0)}
    for name, array in discriminator.items():
        block_, layer, *rest = name.split(".")
        if rest and rest[0] != "resample_filter":
            at = f"{block_[1:]}x{block_[1:]}/{theirs[layer]}" if layer != "out" else "Output"
            judge[f"{at}/{rest[0]}"] = kernel(array) if array.ndim == 4 else dense(array)
    parts = {"synthesis": Network(synthesis), "mapping": Network(mapping)}
    average = {"dlatent_avg": generator["mapping.w_avg"], "lod": np.float32(0)}
    g = Network({}, {}, **static_kwargs)
    return g, Network(judge, mbstd_group_size=2), Network(average, parts, **static_kwargs)
