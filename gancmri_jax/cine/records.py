"""Training records: one video a record, in ArrayRecord files that TensorFlow Datasets describes.

They are written and read with no TensorFlow installed. A folder of records holds
`dataset_info.json`, `features.json`, `metadata.json` (frames of each record, and a fingerprint of
each split), `summary.json` (`record_summary`) and a file or more a split;
`tfds.builder_from_directory` opens it. ArrayRecord checks
what it reads; `checksums.json` holds the SHA-256 of the JSON files.
"""

import contextlib
import errno
import hashlib
import io
import itertools
import math
import operator
import os
import pathlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, SupportsIndex, overload

import numpy as np
import tensorflow_datasets as tfds

from gancmri_jax.checksums import CHECKSUMS, check_checksums, write_checksums
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.record_summary import (
    RecordSummary,
    read_summary,
    summarise_record,
    write_summary,
)
from gancmri_jax.errors import InputError

UNKNOWN_FRAME = -1


class Cines(tfds.core.GeneratorBasedBuilder):
    """Builder of records from cines with uint8 pixels, in the order they are given."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, data_dir: pathlib.Path, cines: Mapping[str, Iterable[Cine]]) -> None:
        self._cines = cines
        self.summaries: dict[str, list[RecordSummary]] = {}
        super().__init__(data_dir=data_dir, file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "frames": tfds.features.Tensor(
                shape=(None, None, None), dtype=np.uint8, encoding="bytes"
            ),
            "subject": tfds.features.Text(),
            "spacing_mm": tfds.features.Tensor(shape=(2,), dtype=np.float32),
            "frame_ms": np.float32,  # NaN where unknown
            "ed_frame": np.int32,
            "es_frame": np.int32,  # -1 where unknown
        }
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(num_frames={}, sha256={}),
        )

    def _split_generators(self, dl_manager: object) -> dict[str, Iterator]:
        return {split: self._generate_examples(split) for split in self._cines}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict]]:
        num_frames = self.info.metadata["num_frames"][split] = []
        summaries = self.summaries[split] = []
        digest = hashlib.sha256()
        for key, cine in enumerate(self._cines[split]):
            assert cine.pixels.dtype == np.uint8, cine.pixels.dtype
            num_frames.append(len(cine.pixels))
            summaries.append(summarise_record(cine))
            example: dict[str, Any] = {
                "frames": np.ascontiguousarray(cine.pixels),
                "subject": cine.subject,
                "spacing_mm": np.asarray(cine.spacing_mm, np.float32),
                "frame_ms": np.float32(math.nan if cine.frame_ms is None else cine.frame_ms),
                "ed_frame": np.int32(cine.ed_frame),
                "es_frame": np.int32(UNKNOWN_FRAME if cine.es_frame is None else cine.es_frame),
            }
            for name, value in example.items():
                described = value if isinstance(value, str) else np.shape(value)
                digest.update(f"{name} {described}\n".encode())
                if not isinstance(value, str):
                    digest.update(np.asarray(value).tobytes())
            yield key, example
        self.info.metadata["sha256"][split] = digest.hexdigest()


def write_records(out: pathlib.Path, cines: Mapping[str, Iterable[Cine]]) -> None:
    """Write the cines of each split to a new folder, whole or not at all.

    Args:
        out: Does not exist yet, or is empty.
        cines: Split to cines with uint8 pixels; a split without any is left out.
    """
    filled = {}
    for split, members in cines.items():
        rest = iter(members)
        if (first := next(rest, None)) is not None:
            filled[split] = itertools.chain([first], rest)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as part:
        builder = Cines(pathlib.Path(part), filled)
        tfds.disable_progress_bar()
        # The builder tells of downloads, of which there are none.
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                builder.download_and_prepare()
        except RuntimeError as error:  # as the writer calls a full disk
            reason = re.search(r"failed: ([^;]+);", str(error))
            raise OSError(errno.EIO, reason[1] if reason else str(error), str(out)) from error
        write_summary(pathlib.Path(builder.data_dir), builder.summaries)
        seal(pathlib.Path(builder.data_dir))
        os.replace(builder.data_dir, out)


def seal(directory: pathlib.Path) -> None:
    """Write the checksums of the JSON files of a folder of records, as its last file."""
    files = set(directory.glob("*.json")) - {directory / CHECKSUMS}
    write_checksums(directory, files)


def check_records(directory: pathlib.Path) -> None:
    """Compare the JSON files of a folder of records with their checksums, where it has any.

    Raises:
        InputError: One was changed.
    """
    with _intact(directory, "its description"):
        check_checksums(directory)


def is_records(path: pathlib.Path) -> bool:
    """Tell whether a folder holds records."""
    return (path / "dataset_info.json").is_file()


class Records(Sequence[Cine]):
    """The cines of a split or of several, read when they are asked for.

    Attributes:
        num_frames: Frames of each cine.
        fingerprint: Identifies the splits by all that is in them, wherever they lie; those that an
            earlier version wrote, by the sizes of their files and what is said of them.
    """

    num_frames: list[int]
    fingerprint: str

    def __init__(self, directory: pathlib.Path, *splits: str, most: int | None = None) -> None:
        """Open a split, or several one after another; of them, the first `most` cines or all.

        Raises:
            InputError: The folder holds no records, or damaged ones, or lacks one of the splits.
        """
        builder = _builder(directory)
        self._directory, self._splits = directory, splits
        if missing := [split for split in splits if split not in builder.info.splits]:
            raise InputError(
                f"{directory}: has no split '{missing[0]}', only {', '.join(builder.info.splits)} "
                "(fewer than 10 subjects all go to train)"
            )
        with _intact(directory, "its records"):
            self._source = builder.as_data_source(split="+".join(splits))
            whole = len(self._source)
        self._length = whole if most is None else min(whole, most)
        metadata = dict(builder.info.metadata or {})
        known = metadata.get("num_frames", {})
        self.num_frames = [number for split in splits for number in known.get(split, [])]
        self.fingerprint = _fingerprint(builder, splits, metadata.get("sha256", {}))
        self.num_frames = self.num_frames[: self._length]
        if len(self.num_frames) != len(self):
            self.num_frames = [len(cine.pixels) for cine in self]

    def __len__(self) -> int:
        return self._length

    def summary(self) -> list[RecordSummary] | None:
        """Return what is known of each cine without its pixels; None for an earlier version's.

        Raises:
            InputError: The summary is damaged, or the records were changed after it was made.
        """
        summaries = read_summary(self._directory)
        if summaries is None:
            return None
        return [each for split in self._splits for each in summaries[split]][: self._length]

    @overload
    def __getitem__(self, index: SupportsIndex) -> Cine: ...
    @overload
    def __getitem__(self, index: slice) -> list[Cine]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Cine | list[Cine]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        with _intact(self._directory, f"record {index % len(self)}"):
            example = self._source[index % len(self)]
            row_mm, column_mm = (float(mm) for mm in example["spacing_mm"])
            frame_ms, es_frame = float(example["frame_ms"]), int(example["es_frame"])
            if math.isinf(frame_ms) or frame_ms <= 0:
                raise InputError(f"frame time must be positive, got {frame_ms} ms")
            return Cine(
                pixels=example["frames"],
                spacing_mm=(row_mm, column_mm),
                frame_ms=None if math.isnan(frame_ms) else frame_ms,
                subject=example["subject"].decode(),
                ed_frame=int(example["ed_frame"]),
                es_frame=None if es_frame == UNKNOWN_FRAME else es_frame,
            )


def record_splits(directory: pathlib.Path) -> list[str]:
    """Return the names of the splits a folder of records has."""
    return list(_builder(directory).info.splits)


def measured_splits(directory: pathlib.Path) -> list[str]:
    """Return the splits to measure on: test, or all there are where no subject is held out."""
    splits = record_splits(directory)
    return ["test"] if "test" in splits else splits


def _builder(directory: pathlib.Path) -> tfds.core.DatasetBuilder:
    if not is_records(directory):
        raise InputError(
            f"{directory}: holds no training records; write them with "
            f"`gancmri prepare --input DIR --out {directory}`"
        )
    check_records(directory)
    with _intact(directory, "its description"):
        return tfds.builder_from_directory(directory)


def _fingerprint(
    builder: tfds.core.DatasetBuilder, splits: Sequence[str], known: Mapping[str, str]
) -> str:
    digest = hashlib.sha256()
    for split in splits:
        info = builder.info.splits[split]
        kept = known.get(split) or repr((info.shard_lengths, info.num_bytes))
        digest.update(f"{split} {kept}\n".encode())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def _intact(directory: pathlib.Path, what: str) -> Iterator[None]:
    """Turn whatever a reader of records stumbles over into one line."""
    try:
        yield
    except Exception as error:
        reason = str(error) if isinstance(error, InputError) else type(error).__name__
        raise InputError(
            f"{directory}: {what} cannot be read ({reason}): the records are damaged; restore "
            "them from a backup, or prepare them again"
        ) from error
