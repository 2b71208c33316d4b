"""The latent store: a Zarr group of projected videos, one chunk a video.

Arrays: `ws` [video frame num_ws w_dim], `valid` [video frame] (projected), `distances`
[video frame], `steps` [video frame] (taken), `curve` [video frame look] (distance on the way),
`flags` [video frame] (`flags.Flag`), the optimised noise maps `noise_00` … [video frame h w] in
float16, with one frame for all where a video shares them, and by video `subject`, `num_frames`,
`ed_frame`, `es_frame`, `es_source`, `done`. The attribute `provenance` says how it was projected,
`flagged_above` what was flagged as far. A code renders as it was found with its own noise maps.
"""

import dataclasses
import os
import pathlib
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
import zarr
from jaxtyping import Bool, Float, Int, UInt8

from gancmri_jax.errors import InputError
from gancmri_jax.latents.codes import Codes
from gancmri_jax.physiology.end_systole import EsSource
from gancmri_jax.projection.flags import far_distance, flag

FORMAT = "gancmri_jax latents 1"


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

    def __init__(self, group: zarr.Group) -> None:
        self._group = group

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
            group = _open(path)
            if group.attrs["provenance"] != provenance:
                others = _differences(group.attrs["provenance"], provenance)
                raise InputError(
                    f"{path}: holds latents found otherwise ({others}); choose another --out"
                )
            return cls(group)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Made under another name, so that a store that is there is complete.
        partial = path.with_name(f".{path.name}.partial")
        group = zarr.open_group(partial, mode="w")
        frames = max(video.num_frames for video in videos)
        shape = (len(videos), frames)
        group.create_array(
            "ws", shape=shape + row_shape, chunks=(1, frames, *row_shape), dtype="f4"
        )
        group.create_array("valid", shape=shape, chunks=(1, frames), dtype="bool")
        group.create_array(
            "distances", shape=shape, chunks=(1, frames), dtype="f4", fill_value=np.nan
        )
        group.create_array("steps", shape=shape, chunks=(1, frames), dtype="i4")
        group.create_array("flags", shape=shape, chunks=(1, frames), dtype="u1")
        group.create_array(
            "curve",
            shape=(*shape, num_looks),
            chunks=(1, frames, num_looks),
            dtype="f4",
            fill_value=np.nan,
        )
        noisy = 1 if shared_noise else frames
        for index, size in enumerate(noise_sizes):
            group.create_array(
                _noise_name(index),
                shape=(len(videos), noisy, size, size),
                chunks=(1, noisy, size, size),
                dtype="f2",
            )
        group.create_array("done", shape=shape[:1], chunks=(1,), dtype="bool")
        for field in ("num_frames", "ed_frame", "es_frame"):
            group.create_array(field, shape=shape[:1], dtype="i4")
        for field in ("subject", "es_source"):
            group.create_array(field, shape=shape[:1], dtype=str)
        for field in ("num_frames", "ed_frame", "es_frame", "subject", "es_source"):
            group[field][:] = np.array([getattr(video, field) for video in videos])
        group.attrs.update(format=FORMAT, provenance=provenance)
        os.replace(partial, path)
        return cls(_open(path))

    @property
    def done(self) -> Bool[np.ndarray, "video"]:
        """Which videos are projected."""
        return self._group["done"][:]

    def write(self, video: int, frames: list[int], found: VideoCodes) -> None:
        """Write the codes of some frames of a video and mark it done.

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
            row = self._group[name][video]
            row[frames] = values
            self._group[name][video] = row
        for index, level in enumerate(found.noise):
            row = self._group[_noise_name(index)][video]
            row[frames if len(row) > 1 else [0]] = level
            self._group[_noise_name(index)][video] = row
        self._group["done"][video] = True

    def flag_far(self, above: float | None) -> None:
        """Flag frames whose distance is above a limit, by default one that follows from them all.

        What is done counts; the limit is kept beside the flags.
        """
        distances = self._group["distances"][:]
        limit = far_distance(distances[np.isfinite(distances)]) if above is None else above
        flags = self._group["flags"][:]
        far = np.where(self._group["valid"][:], flag(distances, limit), flags)
        self._group["flags"][:] = far
        self._group.attrs["flagged_above"] = limit


def read_latents(path: pathlib.Path) -> tuple[Codes, dict[str, Any]]:
    """Read the videos of a store that are projected, and how they were (`provenance`).

    Raises:
        InputError: No store, or nothing in it yet.
    """
    group = _open(path)
    done = np.flatnonzero(group["done"][:])
    if not len(done):
        raise InputError(f"{path}: no video in it is projected yet; run project.py to its end")
    subjects = group["subject"][:]
    arrays = {
        name: group[name][:][done]
        for name in ("ws", "valid", "distances", "num_frames", "ed_frame", "es_frame")
    }
    return Codes(subjects=subjects[done].tolist(), **arrays), group.attrs["provenance"]


def read_noise(path: pathlib.Path, video: SupportsIndex) -> list[Float[np.ndarray, "frame h w"]]:
    """Read the noise maps of one video, counted among those that `read_latents` returns."""
    group = _open(path)
    row = np.flatnonzero(group["done"][:])[video]
    names = sorted(name for name in group.array_keys() if name.startswith("noise_"))
    levels = [group[name][row].astype(np.float32) for name in names]
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
            f"{path}: does not say how well its frames were found; run project.py to its end, or, "
            "where an older version made it, again"
        )
    done = np.flatnonzero(group["done"][:])
    arrays = {name: group[name][:][done] for name in ("distances", "steps", "curve", "flags")}
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
    names = [field.name for field in dataclasses.fields(Video)]
    columns = [group[name][:].tolist() for name in names]
    return [Video(*values) for values in zip(*columns, strict=True)]


def is_store(path: pathlib.Path) -> bool:
    """Tell whether a folder is a latent store."""
    try:
        return zarr.open_group(path, mode="r").attrs.get("format") == FORMAT
    except (OSError, ValueError):
        return False


def _differences(held: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Say in a few words in what two provenances differ."""
    names = [name for name in {**held, **wanted} if held.get(name) != wanted.get(name)]
    plain = {"model": "another model", "videos": "other videos"}
    return ", ".join(
        plain.get(name) or f"{name} {held.get(name)}, now {wanted.get(name)}" for name in names
    )


def _noise_name(index: int) -> str:
    return f"noise_{index:02d}"


def _open(path: pathlib.Path) -> zarr.Group:
    try:
        group = zarr.open_group(path, mode="r+")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no latent store; make one with project.py") from error
    if group.attrs.get("format") != FORMAT:
        raise InputError(f"{path}: no latent store of this version; make one with project.py")
    return group
