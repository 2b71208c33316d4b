"""What is compared: frames and videos of cines, of a store of codes, or made by a model."""

import hashlib
import typing
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.preprocess import to_uint8
from gancmri_jax.errors import InputError
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import Motion
from gancmri_jax.segmentation.beat import render_beat, video_noise

Frame = UInt8[np.ndarray, "h w"]
Video = UInt8[np.ndarray, "t h w"]

_DRAWN_AT_ONCE = 16


@typing.runtime_checkable
class ImageSet(typing.Protocol):
    """Frames, and the videos that they belong to.

    Attributes:
        name: As the user gave it.
        size: Height and width, the same for all.
        num_frames, num_videos: How many there are; None where a model makes any number.
        digest: Identifies the content.
    """

    name: str
    size: tuple[int, int]
    digest: str

    @property
    def num_frames(self) -> int | None: ...

    @property
    def num_videos(self) -> int | None: ...

    def frames(self, count: int, seed: int) -> Iterator[Frame]:
        """Yield `count` frames, drawn without replacement where there is a number of them."""
        ...

    def videos(self, count: int) -> Iterator[Video]:
        """Yield the first `count` videos."""
        ...


class CineSet:
    """Videos that are there: records, or cines prepared to one size."""

    def __init__(self, name: str, cines: Sequence[Cine]) -> None:
        """Look through the cines once.

        Raises:
            InputError: There are none, their pixels are no bytes, or they are of several sizes.
        """
        digest, sizes = hashlib.sha256(), set()
        self.name, self._cines, self._lengths = name, cines, []
        for cine in cines:
            if cine.pixels.dtype != np.uint8:
                raise InputError(
                    f"{name}: pixels are {cine.pixels.dtype}, and metrics are taken over bytes; "
                    "frames in [−1, 1] must be quantised first"
                )
            self._lengths.append(len(cine.pixels))
            sizes.add(cine.pixels.shape[1:])
            digest.update(str(cine.pixels.shape).encode())
            digest.update(np.ascontiguousarray(cine.pixels).data)
        if len(sizes) != 1:
            raise InputError(f"{name}: must hold frames of one size, has {sorted(sizes) or 'none'}")
        self.size: tuple[int, int] = sizes.pop()
        self.num_frames, self.num_videos = sum(self._lengths), len(self._lengths)
        self.digest = digest.hexdigest()

    def frames(self, count: int, seed: int) -> Iterator[Frame]:
        chosen = np.random.default_rng(seed).choice(self.num_frames, count, replace=False)
        chosen.sort()  # so that each video is read once
        ends = np.cumsum(self._lengths)
        videos = np.searchsorted(ends, chosen, side="right")
        for video in np.unique(videos):
            pixels = self._cines[int(video)].pixels
            start = ends[video] - self._lengths[video]
            yield from pixels[chosen[videos == video] - start]

    def videos(self, count: int) -> Iterator[Video]:
        for video in range(count):
            yield self._cines[video].pixels


class GeneratedSet:
    """What a model makes: frames from z with noise drawn for each, videos of consecutive seeds.

    Noise moves in videos as the model's card says.
    """

    num_frames = None
    num_videos = None

    def __init__(
        self,
        name: str,
        model: Model,
        motion: Motion,
        truncation_psi: float = 1.0,
        first_seed: int = 0,
    ) -> None:
        model.insist_grey()
        self.name, self.model, self._motion, self._psi = name, model, motion, truncation_psi
        self._first_seed = first_seed
        self.size = (model.resolution, model.resolution)
        told = f"{model.fingerprint} {motion} psi {truncation_psi}"
        if (noise := video_noise(model)) != "constant":
            told += f" noise {noise}"
        if first_seed:
            told += f" from seed {first_seed}"
        self.digest = hashlib.sha256(told.encode()).hexdigest()

    def frames(self, count: int, seed: int) -> Iterator[Frame]:
        root = jax.random.key(seed)
        for first in range(0, count, _DRAWN_AT_ONCE):
            z_key, noise_key = jax.random.split(jax.random.fold_in(root, first // _DRAWN_AT_ONCE))
            z = jax.random.normal(z_key, (_DRAWN_AT_ONCE, self.model.z_dim))
            images = self.model.synthesize(self.model.map(z, self._psi), noise_key)
            yield from to_uint8(np.asarray(images))[: count - first, :, :, 0]

    def videos(self, count: int) -> Iterator[Video]:
        for seed in range(self._first_seed, self._first_seed + count):
            start = self.model.at_ed(self.model.sample(seed, self._psi))
            path = self.model.beat(start, self._motion)
            yield to_uint8(render_beat(self.model, path, seed=seed))[..., 0]


class CodedSet:
    """Videos rendered from codes [t num_ws w_dim] with each frame's own noise maps [t h w]."""

    def __init__(
        self,
        name: str,
        model: Model,
        codes: Sequence[tuple[np.ndarray, Sequence[np.ndarray]]],
    ) -> None:
        model.insist_grey()
        self.name, self._model, self._codes = name, model, codes
        self.size = (model.resolution, model.resolution)
        self.num_frames, self.num_videos = sum(len(ws) for ws, _ in codes), len(codes)
        digest = hashlib.sha256(model.fingerprint.encode())
        for ws, noise in codes:
            for array in (ws, *noise):
                digest.update(np.ascontiguousarray(array, np.float32).data)
        self.digest = digest.hexdigest()

    def frames(self, count: int, seed: int) -> Iterator[Frame]:
        chosen = np.random.default_rng(seed).choice(self.num_frames, count, replace=False)
        wanted, first = set(chosen.tolist()), 0
        for video, (ws, _) in zip(self.videos(len(self._codes)), self._codes, strict=True):
            yield from (frame for i, frame in enumerate(video) if first + i in wanted)
            first += len(ws)

    def videos(self, count: int) -> Iterator[Video]:
        for ws, noise in self._codes[:count]:
            frames = []
            for i in range(len(ws)):
                own = tuple(jnp.asarray(level[i : i + 1]) for level in noise)
                frames.append(self._model.synthesize(jnp.asarray(ws[i : i + 1]), own))
            yield to_uint8(np.concatenate(frames))[..., 0]


def clips(
    videos: Iterator[Video], length: int, how: str, seed: int
) -> Iterator[UInt8[np.ndarray, "length h w"]]:
    """Take a clip of each video: frames at equal parts of it, or consecutive from a random one.

    Equally spaced frames are GANcMRI's (section 4), the first of each of `length` equal parts;
    consecutive ones are StyleGAN-V's.

    Raises:
        InputError: A video is too short.
    """
    rng = np.random.default_rng(seed)
    for video in videos:
        if len(video) < length:
            raise InputError(f"a video has {len(video)} frames, and clips take {length} of each")
        if how == "equispaced":
            yield video[np.arange(length) * len(video) // length]
        else:
            first = int(rng.integers(len(video) - length + 1))
            yield video[first : first + length]
