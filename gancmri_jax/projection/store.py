"""The latent store: a Zarr group of projected videos, one chunk a video.

Arrays: `ws` [video frame num_ws w_dim], `valid` [video frame] (projected), `distances`
[video frame], `steps` [video frame] (taken), `curve` [video frame look] (distance on the way),
`flags` [video frame] (`flags.Flag`), the optimised noise maps `noise_00` … [video frame h w] in
float16, with one frame for all where a video shares them, and by video `subject`, `num_frames`,
`ed_frame`, `es_frame`, `es_source`, `done`. The attribute `provenance` says how it was projected,
`flagged_above` what was flagged as far. A code renders as it was found with its own noise maps.

Chunks and metadata carry checksums (`sealed`); `projected` says how many videos were done at least.
"""

import dataclasses
import os
import pathlib
import secrets
import shutil
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
import zarr
from jaxtyping import Bool, Float, Int, UInt8

from gancmri_jax.atomic import sync, sync_tree
from gancmri_jax.errors import InputError
from gancmri_jax.latents.codes import Codes
from gancmri_jax.physiology.end_systole import EsSource
from gancmri_jax.projection.flags import far_distance, flag
from gancmri_jax.projection.sealed import (
    CODECS,
    damage,
    describe,
    insist_chunks,
    open_sealed,
    read_values,
)

FORMAT = "gancmri_jax latents 1"

_OF_VIDEOS = ("ws", "valid", "distances", "steps", "curve", "flags")  # a chunk a video
_OF_ALL = ("num_frames", "ed_frame", "es_frame", "subject", "es_source")


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
    ) -> "LatentStore":
        """Create the store, or open it to go on.

        Args:
            path: Folder of the store.
            videos: What is to be projected.
            row_shape: (num_ws, w_dim).
            noise_sizes: Height and width of each noise map.
            provenance: Everything that the codes depend on, JSON-like.
            num_looks: How often distances are looked at on the way.
            shared_noise: A video's frames share their noise maps.

        Raises:
            InputError: The folder holds something else, or codes found otherwise.
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
            return store
        path.parent.mkdir(parents=True, exist_ok=True)
        # Made under another name, so that a store that is there is complete.
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        try:
            _create(partial, videos, row_shape, noise_sizes, provenance, num_looks, shared_noise)
            sync_tree(partial)
            try:
                os.replace(partial, path)
            except OSError:
                if not is_store(path):  # of another process of this run, which was quicker
                    raise
            sync(path.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return cls.open(path, videos, row_shape, noise_sizes, provenance, num_looks, shared_noise)

    @property
    def done(self) -> Bool[np.ndarray, "video"]:
        """Which videos are projected."""
        return read_values(self._path, self._group, "done")

    def write(self, video: int, frames: list[int], found: VideoCodes) -> None:
        """Write the codes of some frames of a video and mark it done, on the disk for good.

        A frame whose distance is no number was not projected: it is flagged, and not `valid`.
        """
        arrays: dict[str, Any] = {
            "ws": found.ws,
            "valid": np.isfinite(found.distances),
            "distances": found.distances,
            "steps": found.steps,
            "curve": found.curve,
            "flags": flag(found.distances, np.inf),
        }
        for name, values in arrays.items():
            row = self._empty_row(name)
            row[frames] = values
            self._arrays[name][video] = row
        for index, level in enumerate(found.noise):
            row = self._empty_row(_noise_name(index))
            row[frames if len(row) > 1 else [0]] = level
            self._arrays[_noise_name(index)][video] = row
        for name in (*arrays, *map(_noise_name, range(len(found.noise)))):
            sync_tree(self._path / name / "c" / str(video))
            sync(self._path / name / "c")
        self._arrays["done"][video] = True
        sync(self._path / "done" / "c" / str(video))
        sync(self._path / "done" / "c")

    def _empty_row(self, name: str) -> np.ndarray:
        """Return what a video's row of an array is before it is projected."""
        array = self._arrays[name]
        return np.full(array.shape[1:], array.fill_value, array.dtype)

    def flag_far(self, above: float | None) -> None:
        """Flag frames whose distance is above a limit, by default one that follows from them all.

        What is done counts; the limit is kept beside the flags.
        """
        distances, flags, valid = (
            read_values(self._path, self._group, name) for name in ("distances", "flags", "valid")
        )
        limit = far_distance(distances[np.isfinite(distances)]) if above is None else above
        done = self.done
        far = np.where(valid, flag(distances, limit), flags)
        for video in np.flatnonzero(done & (far != flags).any(axis=1)):
            self._arrays["flags"][video] = far[video]
        describe(self._path, self._group, flagged_above=limit, projected=int(done.sum()))


def read_latents(path: pathlib.Path) -> tuple[Codes, dict[str, Any]]:
    """Read the videos of a store that are projected, and how they were (`provenance`).

    Raises:
        InputError: No store, a damaged one, or nothing in it yet.
    """
    group = _open(path)
    done = _done(path, group)
    insist_chunks(path, group, done, _OF_VIDEOS, _OF_ALL)
    subjects = read_values(path, group, "subject")
    arrays = {
        name: read_values(path, group, name)[done]
        for name in ("ws", "valid", "distances", "num_frames", "ed_frame", "es_frame")
    }
    return Codes(subjects=subjects[done].tolist(), **arrays), group.attrs["provenance"]


def read_noise(path: pathlib.Path, video: SupportsIndex) -> list[Float[np.ndarray, "frame h w"]]:
    """Read the noise maps of one video, counted among those that `read_latents` returns."""
    group = _open(path)
    row = _done(path, group)[video]
    names = sorted(name for name in group.array_keys() if name.startswith("noise_"))
    insist_chunks(path, group, np.array([row]), names)
    levels = [read_values(path, group, name, row).astype(np.float32) for name in names]
    frames = group["ws"].shape[1]  # one map for all frames, where they share it
    return [np.broadcast_to(level, (frames, *level.shape[1:])) for level in levels]


def read_quality(path: pathlib.Path) -> Quality:
    """Read how well the projected videos of a store were found.

    Raises:
        InputError: No store, nothing in it yet, or one that an older version wrote.
    """
    codes, provenance = read_latents(path)
    group = _open(path)
    if "flagged_above" not in group.attrs:
        raise InputError(
            f"{path}: does not say how well its frames were found; run `gancmri project` to its "
            "end, or, where an older version made it, again"
        )
    done = _done(path, group)
    arrays = {
        name: read_values(path, group, name)[done]
        for name in ("distances", "steps", "curve", "flags")
    }
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


def is_store(path: pathlib.Path) -> bool:
    """Tell whether a folder is a latent store."""
    try:
        return zarr.open_group(path, mode="r").attrs.get("format") == FORMAT
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


def _create(
    path: pathlib.Path,
    videos: list[Video],
    row_shape: tuple[int, int],
    noise_sizes: list[int],
    provenance: dict[str, Any],
    num_looks: int,
    shared_noise: bool,
) -> None:
    """Make an empty store; see `LatentStore.open`."""
    group = zarr.open_group(path, mode="w")
    frames = max(video.num_frames for video in videos)
    noisy = 1 if shared_noise else frames
    rows: dict[str, tuple[tuple[int, ...], str, Any]] = {
        "ws": ((frames, *row_shape), "f4", 0),
        "valid": ((frames,), "bool", False),
        "distances": ((frames,), "f4", np.nan),
        "steps": ((frames,), "i4", 0),
        "curve": ((frames, num_looks), "f4", np.nan),
        "flags": ((frames,), "u1", 0),
        "done": ((), "bool", False),
    }
    for index, size in enumerate(noise_sizes):
        rows[_noise_name(index)] = ((noisy, size, size), "f2", 0)
    for name, (shape, dtype, fill) in rows.items():
        group.create_array(
            name,
            shape=(len(videos), *shape),
            chunks=(1, *shape),
            dtype=dtype,
            fill_value=fill,
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
    describe(path, group, format=FORMAT, provenance=provenance)


def _done(path: pathlib.Path, group: zarr.Group) -> Int[np.ndarray, "video"]:
    """Return the numbers of the videos that are projected.

    Raises:
        InputError: None are, or not all that were.
    """
    done = np.flatnonzero(read_values(path, group, "done"))
    if len(done) < group.attrs.get("projected", 0):
        raise damage(path, "it has lost track of videos that were projected")
    if not len(done):
        raise InputError(
            f"{path}: no video in it is projected yet; run `gancmri project` to its end"
        )
    return done


def _open(path: pathlib.Path) -> zarr.Group:
    return open_sealed(path, FORMAT, ("done", *_OF_VIDEOS, *_OF_ALL))


def _differences(held: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Say in a few words in what two provenances differ."""
    names = [name for name in {**held, **wanted} if held.get(name) != wanted.get(name)]
    plain = {"model": "another model", "videos": "other videos"}
    return ", ".join(
        plain.get(name) or f"{name} {held.get(name)}, now {wanted.get(name)}" for name in names
    )


def _noise_name(index: int) -> str:
    return f"noise_{index:02d}"
