"""Checksums in a safetensors file's metadata, so that damage to the file does not become numbers.

The key `sha256` holds JSON: for each tensor the SHA-256 of its type, shape and bytes, and under the
empty name that of the other metadata.
"""

import functools
import hashlib
import json
import pathlib
import sys
from collections.abc import Mapping

import numpy as np

from gancmri_jax.errors import InputError

KEY = "sha256"
_METADATA = ""


def with_digests(metadata: Mapping[str, str], tensors: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Return metadata with the checksums of tensors and of itself."""
    digests = {name: _tensor_sha256(array) for name, array in tensors.items()}
    digests[_METADATA] = _metadata_sha256(metadata)
    return {**metadata, KEY: json.dumps(digests, sort_keys=True)}


def check_metadata(path: pathlib.Path, metadata: Mapping[str, str]) -> dict[str, str] | None:
    """Return the checksums that a file's metadata hold; None where an earlier version wrote it.

    Raises:
        InputError: The metadata have changed since.
    """
    if KEY not in metadata:
        return None
    try:
        digests = dict(json.loads(metadata[KEY]))
    except (RecursionError, TypeError, ValueError) as error:
        raise _damage(path, "its checksums cannot be read") from error
    if digests.get(_METADATA) != _metadata_sha256(metadata):
        raise _damage(path, "its metadata")
    return digests


def check_tensors(
    path: pathlib.Path, digests: Mapping[str, str] | None, tensors: Mapping[str, np.ndarray]
) -> None:
    """Compare tensors with their checksums; where there are none, say so on standard error.

    Raises:
        InputError: One has changed.
    """
    if digests is None:
        _say_unchecked(str(path))
        return
    for name, array in tensors.items():
        if digests.get(name) != _tensor_sha256(array):
            raise _damage(path, f"tensor {name}")


def _damage(path: pathlib.Path, what: str) -> InputError:
    return InputError(
        f"{path}: is damaged: {what} has another SHA-256 than when it was written; copy the file "
        "again, or make it anew"
    )


@functools.cache  # once for each file
def _say_unchecked(path: str) -> None:
    print(
        f"note: {path}: an earlier version wrote it without checksums, so damage to it would go "
        "unnoticed",
        file=sys.stderr,
    )


def _tensor_sha256(array: np.ndarray) -> str:
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _metadata_sha256(metadata: Mapping[str, str]) -> str:
    others = {name: value for name, value in metadata.items() if name != KEY}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()
