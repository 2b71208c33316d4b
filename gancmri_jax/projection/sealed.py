"""A Zarr group on disk whose damage is noticed, so that no wrong number is read from it.

Each chunk carries a CRC-32C, and is written even where it is all zeros, so that one that is missing
is lost; the attribute `sha256` is that of the other attributes and of what is said of the arrays. A
group that an earlier version wrote has neither, and is read as it is.
"""

import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, SupportsIndex

import numpy as np
import zarr
from jaxtyping import Int
from zarr.codecs import Crc32cCodec, ZstdCodec

from gancmri_jax.atomic import sync
from gancmri_jax.errors import InputError

CODECS = (ZstdCodec(), Crc32cCodec())

_SHA256 = "sha256"


def open_sealed(path: pathlib.Path, formats: Sequence[str], arrays: Sequence[str]) -> zarr.Group:
    """Open a group, having seen that it has these arrays and says what it said when written.

    Raises:
        InputError: There is none of these formats, or it is damaged.
    """
    try:
        group = zarr.open_group(path, mode="r+")
        attributes = group.attrs.asdict()
        missing = [name for name in arrays if name not in group]
    except FileNotFoundError as error:
        raise InputError(f"{path}: no latent store; make one with `gancmri project`") from error
    except Exception as error:  # whatever a damaged description makes Zarr stumble over
        if not (path / "zarr.json").is_file():
            raise InputError(f"{path}: no latent store; make one with `gancmri project`") from error
        raise damage(path, f"zarr.json cannot be read ({type(error).__name__})") from error
    if attributes.get("format") not in formats:
        raise InputError(
            f"{path}: no latent store of this version; make one with `gancmri project`"
        )
    known = attributes.get(_SHA256)
    if known is not None and known != _metadata_sha256(path, attributes):
        raise damage(path, "what a zarr.json in it says has changed")
    if missing:
        raise damage(path, f"it is incomplete, without {' and '.join(missing)}")
    return group


def describe(path: pathlib.Path, group: zarr.Group, **attributes: Any) -> None:
    """Set attributes, and with them the SHA-256 of all metadata, unless the group is an older one.

    They are on the disk when this returns.
    """
    attributes = json.loads(json.dumps(attributes))
    before = group.attrs.asdict()
    if _SHA256 in before or not before:
        attributes[_SHA256] = _metadata_sha256(path, {**before, **attributes})
    group.update_attributes(attributes)
    sync(path / "zarr.json")


def read_values(
    path: pathlib.Path, group: zarr.Group, name: str, index: Any = slice(None)
) -> np.ndarray:
    """Read an array, or some videos' rows of it.

    Raises:
        InputError: A chunk is not what was written.
    """
    try:
        return np.asarray(group[name][index])
    except Exception as error:  # whatever Zarr and its codecs stumble over
        reason = f"{name} cannot be read ({type(error).__name__})"
        broken = _first_broken(group, name)
        videos = "" if broken is None else _videos_of(group[name], broken)
        raise damage(path, reason, broken, videos) from error


def insist_chunks(
    path: pathlib.Path,
    group: zarr.Group,
    videos: Int[np.ndarray, "video"],
    names: Sequence[str],
    of_all: Sequence[str] = (),
) -> None:
    """See that no chunk of these videos, and of arrays of all videos, is missing.

    Zarr would read it as zeros, and an earlier version left chunks of zeros out.

    Raises:
        InputError: One is.
    """
    if _SHA256 not in group.attrs:
        return
    for name in of_all:
        if not _has_chunk(path, group[name], name, 0):
            raise damage(path, f"{name} is missing")
    for name in names:
        array = group[name]
        for pack in np.unique(videos // videos_packed(array)).tolist():
            if not _has_chunk(path, array, name, pack):
                names_videos = _videos_of(array, pack)
                raise damage(path, f"{name} of {names_videos} is missing", pack, names_videos)


def videos_packed(array: Any) -> int:
    """Return how many videos a file of an array holds."""
    return (array.shards or array.chunks)[0]


def damage(
    path: pathlib.Path, reason: str, pack: SupportsIndex | None = None, videos: str = ""
) -> InputError:
    """Return the error that says what is damaged, in which file of videos, and what to do."""
    way_out = "remove it and project again"
    if pack is not None:
        mark = path / "done" / "c" / str(pack)
        way_out = f"remove {mark} and run the same projection again, which redoes {videos}"
    return InputError(f"{path}: is damaged: {reason}; restore it from a backup, or {way_out}")


def _videos_of(array: Any, pack: int) -> str:
    first = pack * videos_packed(array)
    last = min(first + videos_packed(array), array.shape[0]) - 1
    return f"video {first}" if first == last else f"videos {first} to {last}"


def _metadata_sha256(path: pathlib.Path, attributes: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a group's attributes and of what it says of its arrays."""
    others = {name: value for name, value in attributes.items() if name != _SHA256}
    digest = hashlib.sha256(json.dumps(others, sort_keys=True).encode())
    for description in sorted(path.glob("*/zarr.json")):
        digest.update(f"{description.parent.name}\n".encode())
        digest.update(description.read_bytes())
    return digest.hexdigest()


def _has_chunk(path: pathlib.Path, array: Any, name: str, index: int) -> bool:
    key = array.metadata.encode_chunk_key((index,) + (0,) * (array.ndim - 1))
    return (path / name / key).is_file()


def _first_broken(group: zarr.Group, name: str) -> int | None:
    """Return the first file of videos that cannot be read; None where all lie in one."""
    array: Any = group[name]
    if array.ndim == 1 and name != "done":  # of all videos, written when the store was made
        return None
    size = videos_packed(array)
    for pack in range(-(-array.shape[0] // size)):
        try:
            array[pack * size : (pack + 1) * size]
        except Exception:  # as above
            return pack
    return None
