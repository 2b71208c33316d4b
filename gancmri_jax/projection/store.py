"""The latent store: a Zarr group of projected videos, many videos a file.

Arrays: `ws` [video frame row w_dim] in float16, with one row where a frame has one w (the attribute
`num_ws` says for how many), `valid` [video frame] (projected), `distances` [video frame], `steps`
[video frame] (taken), `curve` [video frame look] (distance on the way), `flags` [video frame]
(`flags.Flag`), on request the optimised noise maps `noise_00` … [video frame h w] in float16, with
one frame for all where a video shares them, and by video `subject`, `num_frames`, `ed_frame`,
`es_frame`, `es_source`, `done`. The attribute `provenance` says how it was projected,
`flagged_above` what was flagged as far. A code renders as it was found with its own noise maps.

A video that is projected is a part of its own (`parts`) until all videos of a file are there, or
all that are asked for, and is then packed with them. Chunks and metadata carry checksums
(`sealed`); `projected` says how many videos were packed at least. Stores of format 1, with a file a
video and all rows of `ws` in float32, are read and gone on with as they are.
"""

import contextlib
import dataclasses
import operator
import os
import pathlib
import secrets
import shutil
import time
from collections.abc import Iterator
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
import zarr
from jaxtyping import Bool, Float, Int, UInt8

from gancmri_jax.atomic import sync, sync_tree
from gancmri_jax.errors import InputError
from gancmri_jax.latents.codes import ChunkedCodes, Codes, Source
from gancmri_jax.lock import one_run
from gancmri_jax.physiology.end_systole import EsSource
from gancmri_jax.projection.flags import far_distance, flag
from gancmri_jax.projection.parts import FOLDER, parts_of, read_part, write_part
from gancmri_jax.projection.sealed import (
    CODECS,
    damage,
    describe,
    insist_chunks,
    open_sealed,
    read_values,
    videos_packed,
)

FORMAT = "gancmri_jax latents 2"
FORMATS = (FORMAT, "gancmri_jax latents 1")

_OF_VIDEOS = ("ws", "valid", "distances", "steps", "curve", "flags")
_OF_ALL = ("num_frames", "ed_frame", "es_frame", "subject", "es_source")
_SEPARATE = ("ws", "noise_")  # of which a video can be read alone
_PACK_BYTES, _MOST_PACKED = 2**24, 256  # about how large a file gets, and of how many videos
_CHUNK_BYTES = 2**25  # of codes that are read at once, in float32
_ATTEMPTS, _WAIT_S = 600, 0.5  # to pack, while another process does


@dataclasses.dataclass(frozen=True)
class Video:
    """What is known of a video before it is projected.

    Attributes:
        subject: Whose heart it is.
        num_frames: Frames of the cine.
        ed_frame, es_frame: End-diastole and end-systole.
        es_source: Where the ES frame comes from (`physiology.end_systole`).
    """

    subject: str
    num_frames: int
    ed_frame: int
    es_frame: int
    es_source: EsSource


class VideoCodes(NamedTuple):
    """What was found for some frames of a video; noise maps of one frame serve them all."""

    ws: Float[np.ndarray, "frame num_ws w_dim"]
    noise: tuple[Float[np.ndarray, "frame|1 h w"], ...]
    distances: Float[np.ndarray, "frame"]
    steps: Int[np.ndarray, "frame"]
    curve: Float[np.ndarray, "frame look"]


class Quality(NamedTuple):
    """How well the frames of the projected videos of a store were found.

    Attributes:
        subjects: Whose each video is.
        videos: Each one's place in the store, and among the cines that were projected.
        distances: NaN where nothing was projected.
        steps: Steps taken.
        curve: Distance at every look.
        flags: `flags.Flag`s.
        flagged_above: The distance from which on a frame counts as far.
        provenance: How it was projected.
    """

    subjects: list[str]
    videos: Int[np.ndarray, "video"]
    distances: Float[np.ndarray, "video frame"]
    steps: Int[np.ndarray, "video frame"]
    curve: Float[np.ndarray, "video frame look"]
    flags: UInt8[np.ndarray, "video frame"]
    flagged_above: float
    provenance: dict[str, Any]


class LatentStore:
    """A store open for writing; what is already done in it stays."""

    def __init__(self, path: pathlib.Path) -> None:
        """Open a store that is there.

        Raises:
            InputError: It is none, or damaged.
        """
        self._path, self._group = path, _open(path)
        # What is all zeros is written too, so that a chunk that is missing is known as lost.
        with zarr.config.set({"array.write_empty_chunks": True}):
            self._arrays: dict[str, Any] = dict(self._group.arrays())

    @classmethod
    def open(
        cls,
        path: pathlib.Path,
        videos: list[Video],
        row_shape: tuple[int, int],
        noise_sizes: list[int],
        provenance: dict[str, Any],
        num_looks: int,
        shared_noise: bool = False,
        one_row: bool = False,
    ) -> "LatentStore":
        """Create the store, or open it to go on.

        Args:
            path: Folder of the store.
            videos: What is to be projected.
            row_shape: (num_ws, w_dim).
            noise_sizes: Height and width of each noise map; empty where they are not kept.
            provenance: Everything that the codes depend on, JSON-like.
            num_looks: How often distances are looked at on the way.
            shared_noise: A video's frames share their noise maps.
            one_row: All rows of a frame's code are equal, and one is kept.

        Raises:
            InputError: The folder holds something else, codes found otherwise, or a store that is
                there keeps no noise maps.
        """
        if path.exists() and not path.is_dir():
            raise InputError(f"{path}: is a file; give --out the name of a folder")
        if path.exists() and any(path.iterdir()):
            store = cls(path)
            held = store._group.attrs["provenance"]
            if held != provenance:
                others = _differences(held, provenance)
                raise InputError(
                    f"{path}: holds latents found otherwise ({others}); choose another --out"
                )
            if noise_sizes and _noise_name(0) not in store._arrays:
                raise InputError(
                    f"{path}: was begun without noise maps; leave out --keep-noise, or choose "
                    "another --out"
                )
            return store
        path.parent.mkdir(parents=True, exist_ok=True)
        # Made under another name, so that a store that is there is complete.
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        try:
            rows = _rows(videos, row_shape, noise_sizes, num_looks, shared_noise, one_row)
            _create(partial, videos, rows, {"num_ws": row_shape[0], "provenance": provenance})
            sync_tree(partial)
            try:
                os.replace(partial, path)
            except OSError:
                if not is_store(path):  # of another process of this run, which was quicker
                    raise
            sync(path.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return cls.open(
            path, videos, row_shape, noise_sizes, provenance, num_looks, shared_noise, one_row
        )

    @property
    def done(self) -> Bool[np.ndarray, "video"]:
        """Which videos are projected, packed or not."""
        done = read_values(self._path, self._group, "done")
        done[list(parts_of(self._path))] = True
        return done

    def write(self, video: int, frames: list[int], found: VideoCodes) -> None:
        """Write the codes of some frames of a video, on the disk for good.

        A frame whose distance is no number was not projected: it is flagged, and not `valid`.
        """
        kept = self._arrays["ws"]
        with np.errstate(over="ignore"):
            ws = found.ws[:, : kept.shape[2]].astype(kept.dtype)
        lost = ~np.isfinite(ws).all(axis=(1, 2))  # far outside of all that a w can be
        distances = np.where(lost, np.nan, found.distances)
        arrays: dict[str, Any] = {
            "ws": ws,
            "valid": np.isfinite(distances),
            "distances": distances,
            "steps": found.steps,
            "curve": found.curve,
            "flags": flag(distances, np.inf),
        }
        part = {}
        for name, values in arrays.items():
            part[name] = self._empty_row(name)
            part[name][frames] = values
        for index, level in enumerate(found.noise):
            if (name := _noise_name(index)) in self._arrays:
                part[name] = self._empty_row(name)
                part[name][frames if len(part[name]) > 1 else [0]] = level
        write_part(self._path, video, part)

    def pack(self, whole: bool = False) -> None:
        """Put parts into the files that hold many videos, and remove them.

        Others may write parts meanwhile; where another process packs, this one waits for it. When
        it is stopped, nothing is lost: a part goes when all that it holds is on the disk elsewhere.

        Args:
            whole: Leave parts whose file would not be complete.
        """
        if parts_of(self._path):
            with self._packing():
                self._pack_all(whole)

    def _pack_all(self, whole: bool) -> None:
        parts = parts_of(self._path)
        size, of_all = videos_packed(self._arrays["ws"]), self._arrays["done"].shape[0]
        for pack in sorted({video // size for video in parts}):
            videos = range(pack * size, min((pack + 1) * size, of_all))
            ready = [video for video in videos if video in parts]
            if whole and len(ready) < len(videos):
                continue
            self._pack(pack, slice(videos.start, videos.stop), {v: parts[v] for v in ready})

    def _pack(self, pack: int, videos: slice, parts: dict[int, pathlib.Path]) -> None:
        """Write one file of each array, of what it held before and of parts."""
        names = [name for name, array in self._arrays.items() if array.ndim > 1]
        done = read_values(self._path, self._group, "done", videos)
        blocks = {}
        for name in names:
            array = self._arrays[name]
            shape = (videos.stop - videos.start, *array.shape[1:])
            blocks[name] = (
                read_values(self._path, self._group, name, videos)
                if done.any()
                else np.full(shape, array.fill_value, array.dtype)
            )
        for video, path in parts.items():
            done[video - videos.start] = True
            for name, row in read_part(path, names).items():
                blocks[name][video - videos.start] = row
        for name, block in [*blocks.items(), ("done", done)]:
            self._arrays[name][videos] = block
            sync_tree(self._path / name / "c" / str(pack))
            sync(self._path / name / "c")
        for path in parts.values():
            path.unlink()

    @contextlib.contextmanager
    def _packing(self) -> Iterator[None]:
        """Let no other process change packed files until the block ends."""
        with contextlib.ExitStack() as stack:
            for attempt in range(_ATTEMPTS):
                try:
                    stack.enter_context(one_run(self._path / FOLDER, "pack"))
                    break
                except InputError:
                    if attempt == _ATTEMPTS - 1:
                        raise
                    time.sleep(_WAIT_S)
            yield

    def _empty_row(self, name: str) -> np.ndarray:
        """Return what a video's row of an array is before it is projected."""
        array = self._arrays[name]
        return np.full(array.shape[1:], array.fill_value, array.dtype)

    def flag_far(self, above: float | None) -> None:
        """Flag frames whose distance is above a limit, by default one that follows from them all.

        What is done counts, and is packed; the limit is kept beside the flags.
        """
        with self._packing():
            self._pack_all(whole=False)
            distances, flags, valid = (
                read_values(self._path, self._group, name)
                for name in ("distances", "flags", "valid")
            )
            limit = far_distance(distances[np.isfinite(distances)]) if above is None else above
            done = self.done
            far = np.where(valid, flag(distances, limit), flags)
            if (done & (far != flags).any(axis=1)).any():
                self._arrays["flags"][:] = np.where(done[:, None], far, flags)
                sync_tree(self._path / "flags")
            describe(self._path, self._group, flagged_above=limit, projected=int(done.sum()))


def read_latents(path: pathlib.Path, some: slice = slice(None)) -> tuple[Codes, dict[str, Any]]:
    """Read the videos of a store that are projected, and how they were (`provenance`).

    Where all rows of a frame's code are equal, `ws` shows one of them in all places, read-only.

    Args:
        path: The store.
        some: Which of the projected videos, by their order; by default all.

    Raises:
        InputError: No store, a damaged one, or nothing in it yet.
    """
    codes, provenance = open_latents(path)
    source = codes.sources[0]
    return source.read(source.videos[some]), provenance


def open_latents(path: pathlib.Path) -> tuple[ChunkedCodes, dict[str, Any]]:
    """Open the videos of a store that are projected, to read their codes in chunks.

    Raises:
        InputError: No store, a damaged one, or nothing in it yet. Reading raises it too, where
            codes are damaged.
    """
    group = _open(path)
    done = _done(path, group)
    subjects = read_values(path, group, "subject")[done].tolist()
    rows: Any = group["ws"]
    num_ws = group.attrs.get("num_ws", rows.shape[2])
    of_all = {
        name: read_values(path, group, name)[done]
        for name in ("num_frames", "ed_frame", "es_frame")
    }
    of_all |= _rows_of(path, group, done, ["valid", "distances"])

    def read(places: Int[np.ndarray, "some"]) -> Codes:
        ws = _rows_of(path, group, done[places], ["ws"])["ws"].astype(np.float32)
        return Codes(
            ws=np.broadcast_to(ws, (*ws.shape[:2], num_ws, ws.shape[3])),
            subjects=[subjects[place] for place in places],
            **{name: values[places] for name, values in of_all.items()},
        )

    provenance = group.attrs["provenance"]
    # Stores of format 1 keep all rows, whatever was searched.
    one_row = rows.shape[2] == 1 or provenance.get("space") == "w"
    at_once = _CHUNK_BYTES // (4 * rows.shape[1] * rows.shape[2] * rows.shape[3])
    source = Source(read, np.arange(len(done)), max(at_once, 1))
    return ChunkedCodes(
        sources=(source,), num_ws=num_ws, one_row=one_row, subjects=subjects, **of_all
    ), provenance


def count_videos(path: pathlib.Path) -> int:
    """Return how many videos of a store are projected.

    Raises:
        InputError: No store, a damaged one, or nothing in it yet.
    """
    return len(_done(path, _open(path)))


def read_noise(path: pathlib.Path, video: SupportsIndex) -> list[Float[np.ndarray, "frame h w"]]:
    """Read the noise maps of one video, counted among those that `read_latents` returns.

    The list is empty where the store keeps none.
    """
    group = _open(path)
    row = _done(path, group)[[operator.index(video)]]
    names = sorted(name for name in group.array_keys() if name.startswith("noise_"))
    found = _rows_of(path, group, row, names)
    levels = [found[name][0].astype(np.float32) for name in names]
    frames = group["ws"].shape[1]  # one map for all frames, where they share it
    return [np.broadcast_to(level, (frames, *level.shape[1:])) for level in levels]


def read_quality(path: pathlib.Path) -> Quality:
    """Read how well the projected videos of a store were found.

    Raises:
        InputError: No store, nothing in it yet, or one that an older version wrote.
    """
    codes, provenance = open_latents(path)
    group = _open(path)
    if "flagged_above" not in group.attrs:
        raise InputError(
            f"{path}: does not say how well its frames were found; run `gancmri project` to its "
            "end, or, where an older version made it, again"
        )
    done = _done(path, group)
    arrays = _rows_of(path, group, done, ["distances", "steps", "curve", "flags"])
    return Quality(
        subjects=list(codes.subjects),
        videos=done,
        flagged_above=float(group.attrs["flagged_above"]),
        provenance=provenance,
        **arrays,
    )


def read_videos(path: pathlib.Path) -> list[Video]:
    """Read what a store is of, projected already or not; nothing where there is no store."""
    if not is_store(path):
        return []
    group = _open(path)
    insist_chunks(path, group, np.zeros(0, int), (), _OF_ALL)
    names = [field.name for field in dataclasses.fields(Video)]
    columns = [read_values(path, group, name).tolist() for name in names]
    return [Video(*values) for values in zip(*columns, strict=True)]


class Begun(NamedTuple):
    """What a store that is there is of; empty where there is none.

    Attributes:
        videos: Projected already or not.
        provenance: How they are projected.
    """

    videos: list[Video]
    provenance: dict[str, Any]


def read_begun(path: pathlib.Path) -> Begun:
    """Read what a store is of, and how it was begun."""
    if not is_store(path):
        return Begun([], {})
    return Begun(read_videos(path), _open(path).attrs["provenance"])


def is_store(path: pathlib.Path) -> bool:
    """Tell whether a folder is a latent store."""
    try:
        return zarr.open_group(path, mode="r").attrs.get("format") in FORMATS
    except Exception:  # whatever a damaged description makes Zarr stumble over
        return False


def remove_partial(path: pathlib.Path) -> None:
    """Remove what killed processes left of stores that they were making under this name.

    No other process may be making one.
    """
    if path.parent.is_dir():
        for left in path.parent.iterdir():
            if left.name.startswith(f".{path.name}.") and left.name.endswith(".partial"):
                shutil.rmtree(left, ignore_errors=True)


def _rows(
    videos: list[Video],
    row_shape: tuple[int, int],
    noise_sizes: list[int],
    num_looks: int,
    shared_noise: bool,
    one_row: bool,
) -> dict[str, np.ndarray]:
    """Return a video's row of each array before it is projected; see `LatentStore.open`."""
    frames = max(video.num_frames for video in videos)
    num_ws, w_dim = row_shape
    rows = {
        "ws": np.zeros((frames, 1 if one_row else num_ws, w_dim), np.float16),
        "valid": np.zeros(frames, bool),
        "distances": np.full(frames, np.nan, np.float32),
        "steps": np.zeros(frames, np.int32),
        "curve": np.full((frames, num_looks), np.nan, np.float32),
        "flags": np.zeros(frames, np.uint8),
        "done": np.zeros((), bool),
    }
    for index, size in enumerate(noise_sizes):
        shape = (1 if shared_noise else frames, size, size)
        rows[_noise_name(index)] = np.zeros(shape, np.float16)
    return rows


def _create(
    path: pathlib.Path,
    videos: list[Video],
    rows: dict[str, np.ndarray],
    attributes: dict[str, Any],
) -> None:
    """Make an empty store; see `LatentStore.open`."""
    group = zarr.open_group(path, mode="w")
    packed = _PACK_BYTES // sum(row.nbytes for row in rows.values())
    packed = min(max(packed, 1), _MOST_PACKED, len(videos))
    for name, row in rows.items():
        separate = name.startswith(_SEPARATE)
        group.create_array(
            name,
            shape=(len(videos), *row.shape),
            chunks=(1 if separate else packed, *row.shape),
            shards=(packed, *row.shape) if separate else None,
            dtype=row.dtype,
            fill_value=row.flat[0].item(),
            compressors=CODECS,
        )
    with zarr.config.set({"array.write_empty_chunks": True}):
        for field in _OF_ALL:
            values = np.array([getattr(video, field) for video in videos])
            array: Any = group.create_array(
                field,
                shape=values.shape,
                dtype=str if values.dtype.kind == "U" else "i4",
                compressors=CODECS,
            )
            array[:] = values
    describe(path, group, format=FORMAT, **attributes)


def _done(path: pathlib.Path, group: zarr.Group) -> Int[np.ndarray, "video"]:
    """Return the numbers of the videos that are projected.

    Raises:
        InputError: None are, or not all that were.
    """
    marked = read_values(path, group, "done")
    marked[list(parts_of(path))] = True
    done = np.flatnonzero(marked)
    if len(done) < group.attrs.get("projected", 0):
        raise damage(path, "it has lost track of videos that were projected")
    if not len(done):
        raise InputError(
            f"{path}: no video in it is projected yet; run `gancmri project` to its end"
        )
    return done


def _rows_of(
    path: pathlib.Path, group: zarr.Group, videos: Int[np.ndarray, "video"], names: list[str]
) -> dict[str, np.ndarray]:
    """Read projected videos' rows of some arrays, out of parts where they are not packed.

    Raises:
        InputError: One is missing or damaged.
    """
    while True:
        parts = parts_of(path)  # before arrays: what is packed meanwhile is then found in both
        packed = np.array([video not in parts for video in videos], bool)
        insist_chunks(path, group, videos[packed], names, _OF_ALL)
        rows = {name: _read_videos(path, group, name, videos) for name in names}
        try:
            for place in np.flatnonzero(~packed):
                for name, row in read_part(parts[int(videos[place])], names).items():
                    rows[name][place] = row
            return rows
        except FileNotFoundError:
            continue


def _read_videos(
    path: pathlib.Path, group: zarr.Group, name: str, videos: Int[np.ndarray, "video"]
) -> np.ndarray:
    """Read some videos' rows of an array, in ascending order, in a few large pieces."""
    array: Any = group[name]
    if not len(videos):
        return np.zeros((0, *array.shape[1:]), array.dtype)
    span = slice(int(videos[0]), int(videos[-1]) + 1)
    return read_values(path, group, name, span)[videos - span.start]


def _open(path: pathlib.Path) -> zarr.Group:
    return open_sealed(path, FORMATS, ("done", *_OF_VIDEOS, *_OF_ALL))


def _differences(held: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Say in a few words in what two provenances differ."""
    names = [name for name in {**held, **wanted} if held.get(name) != wanted.get(name)]
    plain = {"model": "another model", "videos": "other videos"}
    return ", ".join(
        plain.get(name) or f"{name} {held.get(name)}, now {wanted.get(name)}" for name in names
    )


def _noise_name(index: int) -> str:
    return f"noise_{index:02d}"
