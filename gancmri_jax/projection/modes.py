"""Three ways to project a study's videos: frame by frame, each from its neighbour, or as a beat.

`frames` is the paper's. `neighbour` begins each frame at the one before, with fewer steps. `joint`
finds one identity, one smooth closed path and one set of noise maps for a whole video. Each yields
videos as they are done; frames are read one batch ahead, in a thread.
"""

import concurrent.futures
import dataclasses
import functools
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.preprocess import to_model_range
from gancmri_jax.model.model import Model
from gancmri_jax.projection.project import Projection, project, project_beats
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.start import WStatistics
from gancmri_jax.projection.store import VideoCodes

Mode = Literal["frames", "neighbour", "joint"]
T = TypeVar("T")


class Work(NamedTuple):
    """What is to be projected, and how.

    Attributes:
        model: The generator.
        cines: The study.
        names: A name a video, from which its randomness comes.
        frames: Which frames of each video.
        videos: Which videos.
        settings: How to search.
        later_steps: Steps of a frame that begins at its neighbour.
        batch_size: Frames at once.
        seed: Of the randomness.
        statistics: Of the model's w.
        on_steps: Told frame-steps taken; each frame counts `settings.num_steps` in the end.
    """

    model: Model
    cines: Sequence[Cine]
    names: list[str]
    frames: list[list[int]]
    videos: list[int]
    settings: Settings
    later_steps: int
    batch_size: int
    seed: int
    statistics: WStatistics
    on_steps: Callable[[float], object]


def by_frames(work: Work) -> Iterator[tuple[int, VideoCodes]]:
    """Project every frame by itself."""
    jobs = [(video, frame) for video in work.videos for frame in work.frames[video]]
    found: dict[tuple[int, int], Projection] = {}  # of one frame each, awaiting their video
    for batch, targets in _ahead(_batches(jobs, work.batch_size), functools.partial(_load, work)):
        own = len(set(batch))
        projection = project(
            work.model,
            targets,
            _keys(work, batch),
            work.settings,
            work.statistics,
            functools.partial(_tell, work, own),
        )
        for index, job in enumerate(batch):
            found[job] = jax.tree.map(lambda x, i=index: np.asarray(x[i]), projection)
        for video in sorted({video for video, _ in batch}):
            if all((video, frame) in found for frame in work.frames[video]):
                results = [found.pop((video, frame)) for frame in work.frames[video]]
                yield video, VideoCodes(*jax.tree.map(lambda *x: np.stack(x), *results))


def by_neighbours(work: Work) -> Iterator[tuple[int, VideoCodes]]:
    """Project the first frames, then each next one from where the one before ended.

    As many videos as a batch holds go in step; those that end sooner are carried on as copies.
    """
    later = dataclasses.replace(work.settings, num_steps=work.later_steps, w_noise=0.0)
    looks = max(work.settings.num_looks, later.num_looks)
    for batch in _batches(work.videos, work.batch_size):
        times = range(max(len(work.frames[video]) for video in batch))
        jobs = [
            [(v, work.frames[v][min(t, len(work.frames[v]) - 1)]) for v in batch] for t in times
        ]
        chain: list[Projection] = []
        for now, targets in _ahead(jobs, functools.partial(_load, work)):
            settings = later if chain else work.settings
            going = sum(len(work.frames[video]) > len(chain) for video in set(batch))
            weight = going * work.settings.num_steps / settings.num_steps
            projection = project(
                work.model,
                targets,
                _keys(work, now),
                settings,
                work.statistics,
                functools.partial(_tell, work, weight),
                chain[-1] if chain else None,
            )
            # Later frames take other steps than the first, and look as often as these allow.
            missing = looks - projection.curve.shape[1]
            curve = np.pad(projection.curve, ((0, 0), (0, missing)), constant_values=np.nan)
            chain.append(jax.tree.map(np.asarray, projection._replace(curve=curve)))
        for row, video in enumerate(batch):
            if video not in batch[:row]:
                own = [jax.tree.map(lambda x, i=row: x[i], p) for p in chain]
                own = own[: len(work.frames[video])]
                yield video, VideoCodes(*jax.tree.map(lambda *x: np.stack(x), *own))


def jointly(work: Work) -> Iterator[tuple[int, VideoCodes]]:
    """Project each video as one beat."""
    longest = max(len(frames) for frames in work.frames)
    # Videos at once, and of each so many frames; both are the same for every batch of a study.
    devices = len(jax.local_devices())
    together = max(work.batch_size // longest // devices, 1) * devices
    at_once = min(max(work.batch_size // together, 1), longest)
    load = functools.partial(_load_videos, work, longest)
    for batch, targets in _ahead(_batches(work.videos, together), load):
        lengths = np.array([len(work.frames[video]) for video in batch])
        own = sum(len(work.frames[video]) for video in set(batch))
        found = project_beats(
            work.model,
            targets,
            lengths,
            _keys(work, [(video, 0) for video in batch]),
            work.settings,
            work.statistics,
            functools.partial(_tell, work, own),
            at_once=at_once,
        )
        for row, video in enumerate(batch):
            if video not in batch[:row]:
                frames = lengths[row]
                yield (
                    video,
                    VideoCodes(
                        found.ws[row, :frames],
                        tuple(level[row : row + 1] for level in found.noise),
                        found.distances[row, :frames],
                        np.repeat(found.steps[row], frames),
                        np.repeat(found.curve[row][None], frames, axis=0),
                    ),
                )


MODES: dict[Mode, Callable[[Work], Iterator[tuple[int, VideoCodes]]]] = {
    "frames": by_frames,
    "neighbour": by_neighbours,
    "joint": jointly,
}


def frame_key(seed: int, name: str, frame: int) -> jax.Array:
    """Return the key of a frame, which depends on nothing but its video's name and its number."""
    key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))
    return jax.random.fold_in(key, frame)


def _tell(work: Work, weight: float, steps: int) -> None:
    work.on_steps(steps * weight)


def _keys(work: Work, jobs: Sequence[tuple[int, int]]) -> jax.Array:
    return jnp.stack([frame_key(work.seed, work.names[v], frame) for v, frame in jobs])


def _load(work: Work, jobs: Sequence[tuple[int, int]]) -> Float[Array, "n h w 1"]:
    cines = {video: work.cines[video] for video in {video for video, _ in jobs}}
    return jnp.stack([to_model_range(cines[v].pixels[f])[..., None] for v, f in jobs])


def _load_videos(work: Work, longest: int, videos: Sequence[int]) -> Float[Array, "v t h w 1"]:
    side = work.model.resolution
    targets = np.zeros((len(videos), longest, side, side, 1), np.float32)
    for row, video in enumerate(videos):
        frames = work.frames[video]
        targets[row, : len(frames)] = to_model_range(work.cines[video].pixels[frames])[..., None]
    return jnp.asarray(targets)


def _batches(items: Sequence[T], size: int) -> list[list[T]]:
    """Cut into batches; the last is filled up with copies, so that one program serves all."""
    batches = [list(items[first : first + size]) for first in range(0, len(items), size)]
    return [batch + batch[-1:] * (size - len(batch)) for batch in batches]


def _ahead(batches: Sequence[Any], load: Callable[[Any], T]) -> Iterator[tuple[Any, T]]:
    """Yield each batch with what it loads, the next one being loaded meanwhile."""
    with concurrent.futures.ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(load, batches[0]) if batches else None
        for index, batch in enumerate(batches):
            assert waiting is not None
            loaded = waiting.result()
            if index + 1 < len(batches):
                waiting = reader.submit(load, batches[index + 1])
            yield batch, loaded
