"""Projection of a whole study: frames of all videos in batches of one size, into a latent store."""

import functools
import hashlib
import pathlib
import zlib
from collections.abc import Callable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.preprocess import to_model_range
from gancmri_jax.model.model import Model
from gancmri_jax.projection.distance import distance_provenance
from gancmri_jax.projection.projector import Projection, Settings, project, w_statistics
from gancmri_jax.projection.store import LatentStore, Video

Which = Literal["all", "ed-es", "ed"]


def project_study(
    model: Model,
    cines: Sequence[Cine],
    out: pathlib.Path,
    settings: Settings,
    *,
    which: Which = "all",
    batch_size: int = 8,
    seed: int = 0,
    on_start: Callable[[int, int], object] = lambda todo, done: None,
    on_steps: Callable[[int], object] = lambda _: None,
) -> None:
    """Project frames of every cine into a latent store at `out`; what is there already stays.

    Args:
        model: The generator.
        cines: Videos in uint8 at the model's resolution.
        out: Folder of the store.
        settings: How to search.
        which: All frames, the ED and ES frames only, or the ED frame only.
        batch_size: Frames that are projected together; the codes do not depend on it.
        seed: With a frame's subject and number, the key of its search.
        on_start: Told how many frames are to be projected, and how many are already.
        on_steps: Told how many frame-steps were taken.

    Raises:
        InputError: `out` holds latents that were found otherwise, or the model lacks what the
            distance needs.
    """
    videos = [describe(cine) for cine in cines]
    provenance = {
        "model": model.fingerprint,
        "videos": fingerprint(cines),
        "which": which,
        "seed": seed,
        **vars(settings),
        **distance_provenance(settings.distance, model),
    }
    noise_sizes = [level.shape[-1] for level in model.noise]
    store = LatentStore.open(out, videos, (model.num_ws, model.w_dim), noise_sizes, provenance)
    frames = [frames_of(video, which) for video in videos]
    done = store.done
    jobs = [(video, frame) for video in np.flatnonzero(~done).tolist() for frame in frames[video]]
    on_start(len(jobs), sum(len(frames[video]) for video in np.flatnonzero(done)))
    if not jobs:
        return

    statistics = w_statistics(model)
    names = _unique_names(videos)
    found: dict[tuple[int, int], Projection] = {}  # of one frame each, awaiting their video
    for first in range(0, len(jobs), batch_size):
        batch = jobs[first : first + batch_size]
        # The last batch is filled up with copies, so that one program serves all.
        filled = batch + batch[-1:] * (batch_size - len(batch))
        projection = project(
            model,
            jnp.stack([to_model_range(cines[v].pixels[f])[..., None] for v, f in filled]),
            jnp.stack([frame_key(seed, names[v], f) for v, f in filled]),
            settings,
            statistics,
            functools.partial(_tell, on_steps, len(batch)),
        )
        for index, job in enumerate(batch):
            found[job] = jax.tree.map(lambda x, i=index: np.asarray(x[i]), projection)
        for video in {v for v, _ in batch}:
            if all((video, frame) in found for frame in frames[video]):
                results = [found.pop((video, frame)) for frame in frames[video]]
                ws, noise, distances = jax.tree.map(lambda *x: np.stack(x), *results)
                store.write(video, frames[video], ws, distances, list(noise))


def _tell(on_steps: Callable[[int], object], frames: int, steps: int) -> None:
    on_steps(steps * frames)


def describe(cine: Cine) -> Video:
    """Say what is known of a cine; an unknown ES frame is the one farthest from frame 0."""
    if cine.es_frame is not None:
        es_frame, source = cine.es_frame, "records"
    else:
        es_frame, source = farthest_from_first(cine.pixels), "distance"
    return Video(cine.subject, len(cine.pixels), cine.ed_frame, es_frame, source)  # type: ignore[arg-type]


def farthest_from_first(pixels: UInt8[np.ndarray, "t h w"]) -> int:
    """Return the frame whose pixels differ most from frame 0, in the mean square."""
    difference = pixels.astype(np.float32) - pixels[:1].astype(np.float32)
    return int(np.square(difference).mean(axis=(1, 2)).argmax())


def frames_of(video: Video, which: Which) -> list[int]:
    """Return which frames of a video are projected."""
    if which == "all":
        return list(range(video.num_frames))
    return sorted({video.ed_frame} | ({video.es_frame} if which == "ed-es" else set()))


def frame_key(seed: int, name: str, frame: int) -> jax.Array:
    """Return the key of a frame, which depends on nothing but its video's name and its number."""
    key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))
    return jax.random.fold_in(key, frame)


def fingerprint(cines: Sequence[Cine]) -> str:
    """Identify videos by all that their codes depend on, in their order."""
    digest = hashlib.sha256()
    for cine in cines:
        described = (cine.subject, cine.ed_frame, cine.es_frame, cine.pixels.shape)
        digest.update(repr(described).encode())
        digest.update(cine.pixels.tobytes())
    return digest.hexdigest()[:16]


def _unique_names(videos: list[Video]) -> list[str]:
    """Name each video by its subject, and by its place among that subject's."""
    counts: dict[str, int] = {}
    names = []
    for video in videos:
        counts[video.subject] = counts.get(video.subject, -1) + 1
        names.append(f"{video.subject}#{counts[video.subject]}")
    return names
