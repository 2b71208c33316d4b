"""Converted weights on disk: a safetensors file a network, checked whenever it is read.

Tensors are float32 under their Flax paths (`mixed/conv/kernel`); the metadata has `name`, `source`,
`source_sha256`, `licence` and `tensors_sha256`, the digest of names, shapes and values.
"""

import contextlib
import dataclasses
import hashlib
import pathlib
from collections.abc import Iterator, Mapping

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cache import cache_folder
from gancmri_jax.errors import InputError
from gancmri_jax.weights.table import TABLE, Entry, Source


@dataclasses.dataclass(frozen=True)
class Weights:
    """Parameters by path, and where they come from."""

    tensors: dict[str, np.ndarray]
    metadata: dict[str, str]


def entry_of(name: str) -> Entry:
    """Return a name's entry of the table.

    Raises:
        InputError: There is none of that name.
    """
    if name not in TABLE:
        raise InputError(f"{name}: no such weights; there are {', '.join(TABLE)}")
    return TABLE[name]


def cached_path(name: str) -> pathlib.Path:
    """Return where the converted weights lie, or would lie."""
    return cache_folder() / f"{name}.safetensors"


def digest(tensors: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of names, shapes and values, in the order of names."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name], "<f4")
        total.update(f"{name} {array.shape}\n".encode())
        total.update(array.data)
    return total.hexdigest()


def write_weights(
    path: pathlib.Path, name: str, source: Source, tensors: Mapping[str, np.ndarray]
) -> None:
    """Write a source's converted tensors, whole or not at all.

    Raises:
        InputError: They are not what was converted when this source was entered in the table.
    """
    found = digest(tensors)
    if source.tensors_sha256 not in (None, found):
        raise InputError(f"{name}: what came out of {source} has another SHA-256 than in the table")
    metadata = {
        "format": "gancmri_jax weights",
        "version": "1",
        "name": name,
        "source": str(source),
        "source_sha256": " ".join(each.sha256 or "not known" for each in source.originals),
        "licence": source.licence,
        "tensors_sha256": found,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {key: np.ascontiguousarray(array, "<f4") for key, array in tensors.items()}
    with atomic_write(path) as part:
        part.write_bytes(save(arrays, metadata))


def read_weights(path: pathlib.Path, name: str, *, known: bool = False) -> Weights:
    """Read a converted file, and make sure that it is what it says.

    Args:
        path: The file.
        name: The weights that it must hold.
        known: Whether its digest must stand in the table, as for a file that came from elsewhere.
            One that was converted here from an original checked by its SHA-256 need not.

    Raises:
        InputError: It cannot be read, holds other weights, or was changed.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read as weights: {error}") from error
    if metadata.get("name") != name:
        raise InputError(f"{path}: holds {metadata.get('name')!r} and not {name}; remove it")
    sources = [s for s in entry_of(name).sources if str(s) == metadata.get("source")]
    pinned = {source.tensors_sha256 for source in sources}
    wanted = metadata.get("tensors_sha256")
    found = digest(tensors)
    if found != wanted or not (found in pinned or (None in pinned and not known)):
        raise InputError(
            f"{path}: has the SHA-256 {found} of its tensors, which is not that of {name}; remove "
            f"it and run `gancmri weights fetch {name}`"
        )
    return Weights(tensors, metadata)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one process at a time fetch a name; where the system has no such locks, let all."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{name}.lock").open("w") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        except (ImportError, OSError):  # Windows; a network drive without locks
            pass
        yield
