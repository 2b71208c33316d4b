"""The summary of a folder of records: what a start of projection asks of every cine.

`summary.json` lies beside the records. By the headers of all chunks (`array_record.index_sha256`)
it is known whether the records are still those that it was made of, and no pixel is read for that.
A record whose bytes changed under its header is refused when it is read.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped

from gancmri_jax.cine.array_record import index_sha256
from gancmri_jax.cine.cine import Cine
from gancmri_jax.errors import InputError

SUMMARY = "summary.json"


@dataclasses.dataclass(frozen=True)
class RecordSummary:
    """A cine without its pixels.

    Attributes:
        subject: Whose heart it is.
        shape: Frames, rows and columns.
        ed_frame, es_frame: End-diastole and end-systole; None where the record does not say ES.
        farthest_frame: The frame that differs most from frame 0.
        empty: Frames that are all of one grey, and the grey.
        pixels_sha256: SHA-256 of the pixels' bytes.
    """

    subject: str
    shape: tuple[int, int, int]
    ed_frame: int
    es_frame: int | None
    farthest_frame: int
    empty: dict[int, int]
    pixels_sha256: str


def summarise_record(cine: Cine) -> RecordSummary:
    """Return the summary of a cine with uint8 pixels."""
    pixels = np.ascontiguousarray(cine.pixels)
    frames, rows, columns = pixels.shape
    flat = pixels.reshape(frames, -1)
    empty = np.flatnonzero((flat == flat[:, :1]).all(axis=1))
    return RecordSummary(
        subject=cine.subject,
        shape=(frames, rows, columns),
        ed_frame=cine.ed_frame,
        es_frame=cine.es_frame,
        farthest_frame=farthest_from_first(pixels),
        empty={int(frame): int(flat[frame, 0]) for frame in empty},
        pixels_sha256=hashlib.sha256(pixels.data).hexdigest(),
    )


def farthest_from_first(pixels: Shaped[np.ndarray, "t h w"]) -> int:
    """Return the frame whose pixels differ most from frame 0, in the mean square."""
    difference = pixels.astype(np.float32) - pixels[:1].astype(np.float32)
    return int(np.square(difference).mean(axis=(1, 2)).argmax())


def write_summary(directory: pathlib.Path, splits: Mapping[str, Sequence[RecordSummary]]) -> None:
    """Write the summary of the records that lie in a folder, in their order.

    There is none where ArrayRecord files have no index that is known here.
    """
    try:
        index = _index(directory)
    except ValueError:
        return
    cines = {split: [dataclasses.asdict(cine) for cine in of] for split, of in splits.items()}
    text = json.dumps({"index_sha256": index, "splits": cines}, separators=(",", ":"))
    (directory / SUMMARY).write_text(text + "\n")


def read_summary(directory: pathlib.Path) -> dict[str, list[RecordSummary]] | None:
    """Read a folder's summary by split; None where an earlier version wrote the records.

    Raises:
        InputError: The summary is damaged, or the records are not those that it was made of.
    """
    path = directory / SUMMARY
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text())
        splits = {
            split: [_summary(fields) for fields in of] for split, of in content["splits"].items()
        }
        made_of = content["index_sha256"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path}: is damaged ({type(error).__name__}); restore it from a backup, or prepare "
            "the records again"
        ) from error
    try:
        same = _index(directory) == made_of
    except (OSError, ValueError):
        same = False
    if not same:
        raise InputError(
            f"{directory}: records were changed after they were written (their index is not that "
            f"of {SUMMARY}); restore them from a backup, or prepare them again"
        )
    return splits


def _summary(fields: Mapping[str, Any]) -> RecordSummary:
    frames, rows, columns = fields["shape"]
    empty = {int(frame): grey for frame, grey in fields["empty"].items()}
    return RecordSummary(**{**fields, "shape": (frames, rows, columns), "empty": empty})


def _index(directory: pathlib.Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(directory.glob("*.array_record*")):
        digest.update(f"{file.name} {index_sha256(file)}\n".encode())
    return digest.hexdigest()
