"""The latent store: a Zarr group of projected videos, one chunk a video.

Arrays: `ws` [video frame num_ws w_dim], `valid` [video frame] (projected), `distances`
[video frame], the optimised noise maps `noise_00` … [video frame h w] in float16, and by video
`subject`, `num_frames`, `ed_frame`, `es_frame`, `es_source`, `done`. The attribute `provenance`
says how it was projected. A code renders as it was found with its own noise maps.
"""

import dataclasses
import os
import pathlib
from typing import Any, Literal

import numpy as np
import zarr
from jaxtyping import Bool, Float

from gancmri_jax.errors import InputError
from gancmri_jax.latents.codes import Codes

FORMAT = "gancmri_jax latents 1"

EsSource = Literal["records", "distance"]


@dataclasses.dataclass(frozen=True)
class Video:
    """What is known of a video before it is projected.

    Attributes:
        subject: Whose heart it is.
        num_frames: Frames of the cine.
        ed_frame, es_frame: End-diastole and end-systole.
        es_source: Whether the ES frame came with the cine, or is the one farthest from frame 0.
    """

    subject: str
    num_frames: int
    ed_frame: int
    es_frame: int
    es_source: EsSource


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
    ) -> "LatentStore":
        """Create the store, or open it to go on.

        Args:
            path: Folder of the store.
            videos: What is to be projected.
            row_shape: (num_ws, w_dim).
            noise_sizes: Height and width of each noise map.
            provenance: Everything that the codes depend on, JSON-like.

        Raises:
            InputError: The folder holds something else, or codes found otherwise.
        """
        if path.exists() and not path.is_dir():
            raise InputError(f"{path}: is a file; give --out the name of a folder")
        if path.exists() and any(path.iterdir()):
            group = _open(path)
            if group.attrs["provenance"] != provenance:
                raise InputError(
                    f"{path}: holds latents of other videos, another model or other settings; "
                    "choose another --out"
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
        for index, size in enumerate(noise_sizes):
            group.create_array(
                _noise_name(index),
                shape=(*shape, size, size),
                chunks=(1, frames, size, size),
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

    def write(
        self,
        video: int,
        frames: list[int],
        ws: Float[np.ndarray, "frame num_ws w_dim"],
        distances: Float[np.ndarray, "frame"],
        noise: list[Float[np.ndarray, "frame h w"]],
    ) -> None:
        """Write the codes of some frames of a video and mark it done."""
        arrays: dict[str, Any] = {"ws": ws, "valid": True, "distances": distances}
        arrays |= {_noise_name(index): level for index, level in enumerate(noise)}
        for name, values in arrays.items():
            row = self._group[name][video]
            row[frames] = values
            self._group[name][video] = row
        self._group["done"][video] = True


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


def read_noise(path: pathlib.Path, video: int) -> list[Float[np.ndarray, "frame h w"]]:
    """Read the noise maps of one video, counted among those that `read_latents` returns."""
    group = _open(path)
    row = np.flatnonzero(group["done"][:])[video]
    names = sorted(name for name in group.array_keys() if name.startswith("noise_"))
    return [group[name][row].astype(np.float32) for name in names]


def is_store(path: pathlib.Path) -> bool:
    """Tell whether a folder is a latent store."""
    try:
        return zarr.open_group(path, mode="r").attrs.get("format") == FORMAT
    except (OSError, ValueError):
        return False


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
