"""Projection of a whole study into a latent store, by one process or by several at once."""

import concurrent.futures
import contextlib
import dataclasses
import json
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import Float

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cluster.client import check_scheduler
from gancmri_jax.cluster.parts import workshop
from gancmri_jax.errors import InputError
from gancmri_jax.latents.codes import Codes
from gancmri_jax.lock import one_run
from gancmri_jax.model.model import Model
from gancmri_jax.model.together import one_run_of_all
from gancmri_jax.projection.batch import suitable_batch
from gancmri_jax.projection.distance import chosen, distance_provenance
from gancmri_jax.projection.modes import MODES, Mode, Work
from gancmri_jax.projection.over_cluster import insist_records, search_over_cluster
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.start import start_provenance, w_statistics
from gancmri_jax.projection.store import (
    LatentStore,
    Video,
    VideoCodes,
    read_begun,
    read_latents,
    remove_partial,
)
from gancmri_jax.projection.survey import Which, frames_of, survey

_SHARE_OF_LATER_STEPS = 5  # a frame that begins at its neighbour takes a fifth of the steps


def project_study(
    model: Model,
    cines: Sequence[Cine],
    out: pathlib.Path,
    settings: Settings,
    *,
    which: Which = "all",
    mode: Mode = "frames",
    later_steps: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    es_frames: Mapping[str, int] | None = None,
    flag_above: float | None = None,
    share: tuple[int, int] | None = None,
    keep_noise: bool = False,
    scheduler: str | None = None,
    on_start: Callable[[int, int], object] = lambda todo, done: None,
    on_steps: Callable[[float], object] = lambda _: None,
) -> Codes:
    """Project frames of every cine into a latent store at `out`, and return the codes in it.

    What the store holds already stays. Of records with a summary (`cine.record_summary`), no pixels
    are read but those of the frames that are projected, and where a segmenter is to find ES.

    Args:
        model: The generator.
        cines: Videos in uint8 at the model's resolution, which may be read as they are asked for.
        out: Folder of the store.
        settings: How to search.
        which: All frames, the ED and ES frames only, or the ED frame only.
        mode: `frames`, `neighbour` or `joint`, as `modes` says.
        later_steps: Steps of a frame that begins at its neighbour; by default a fifth of all.
        batch_size: Frames that are projected together, by default what suits the machine; the codes
            do not depend on it.
        seed: With a frame's subject and number, the key of its search.
        es_frames: ES frames by subject, which override all other sources (`find_es`).
        flag_above: Flag frames whose distance is larger; by default `flags.far_distance` of all.
        share: This process's number, and of how many, where several project one study; by default
            JAX's. Each takes its share of the videos.
        keep_noise: Keep the noise maps that were found with each code, which take about a hundred
            times the place of the codes.
        scheduler: The Dask cluster whose workers search, a video each: an address, a scheduler
            file, or `local:N`. All machines must share the records and `out`.
        on_start: Called with the number of frames to project, and of those already projected.
        on_steps: Called with the frame-steps taken; each frame adds up to `settings.num_steps`.

    Raises:
        InputError: `out` holds latents that were found otherwise, is damaged or in use by another
            run, a frame cannot be projected, or the model lacks what the settings need.
    """
    if scheduler is not None:
        check_scheduler(scheduler)
        insist_records(cines)
    model.insist_grey()
    settings = dataclasses.replace(settings, distance=chosen(settings.distance, model))
    if mode == "joint" and which != "all":
        raise InputError(f"--mode joint finds a whole beat's path; leave out --frames {which}")
    with _alone(out, share):
        videos, videos_fingerprint = survey(model, cines, which, es_frames, read_begun(out))
        later = later_steps or max(settings.num_steps // _SHARE_OF_LATER_STEPS, 1)
        looks = settings.num_looks
        if mode == "neighbour":
            looks = max(looks, dataclasses.replace(settings, num_steps=later).num_looks)
        provenance = {
            "model": model.fingerprint,
            "videos": videos_fingerprint,
            "which": which,
            "mode": mode,
            "seed": seed,
            **{name: value for name, value in vars(settings).items() if name != "remat"},
            **({"later_steps": later} if mode == "neighbour" else {}),
            **start_provenance(model, settings),
            **distance_provenance(settings.distance, model),
        }

        def open_store() -> LatentStore:
            return LatentStore.open(
                out,
                videos,
                (model.num_ws, model.w_dim),
                [level.shape[-1] for level in model.noise] if keep_noise else [],
                provenance,
                looks,
                shared_noise=mode == "joint",
                one_row=settings.space == "w",
            )

        process, processes = share or (jax.process_index(), jax.process_count())
        if processes == 1:
            remove_partial(out)
        store = _open_together(open_store)
        frames = [frames_of(video, which) for video in videos]
        done = store.done
        mine = np.arange(len(videos)) % processes == process
        todo = np.flatnonzero(~done & mine).tolist()
        on_start(
            sum(len(frames[video]) for video in todo),
            sum(len(frames[video]) for video in np.flatnonzero(done & mine)),
        )
        if todo:
            work = Work(
                model=model,
                cines=cines,
                names=_unique_names(videos),
                frames=frames,
                videos=todo,
                settings=settings,
                later_steps=later,
                batch_size=batch_size or (0 if scheduler else suitable_batch(model, settings)),
                seed=seed,
                statistics=w_statistics(model),
                on_steps=on_steps,
            )

            def write(video: int, found: VideoCodes) -> None:
                store.write(video, frames[video], found)
                if not process:
                    store.pack(whole=True)

            parts = out.resolve().with_name(f".{out.resolve().name}.project")
            if scheduler is None:
                searched = MODES[mode](work)
            else:
                card = json.loads(json.dumps(provenance))
                searched = search_over_cluster(scheduler, mode, work, workshop(parts, card))

            # One video is written while the next are searched for.
            with concurrent.futures.ThreadPoolExecutor(1) as writer:
                written: concurrent.futures.Future[None] | None = None
                for video, found in searched:
                    if written is not None:
                        written.result()
                    written = writer.submit(write, video, found)
                if written is not None:
                    written.result()
            shutil.rmtree(parts, ignore_errors=True)
        if jax.process_count() > 1:
            multihost_utils.sync_global_devices("projected")
        if jax.process_index() == 0:
            store.flag_far(flag_above)
        codes, _ = read_latents(out)
        return codes


def codes_of(codes: Codes, video: int) -> Float[np.ndarray, "t num_ws w_dim"]:
    """Return the codes of all frames of a video.

    Raises:
        InputError: The search for one of its frames broke off.
    """
    frames = slice(codes.num_frames[video])
    if not codes.valid[video, frames].all():
        raise InputError(
            f"{codes.subjects[video]}: the search for some frames broke off; choose another --seed "
            "or --distance, and another --out"
        )
    return codes.ws[video, frames]


@contextlib.contextmanager
def _alone(out: pathlib.Path, share: tuple[int, int] | None) -> Iterator[None]:
    """Let no other run project into a store; processes that share a study may."""
    if share is None:
        with one_run_of_all(out, "project", beside=True):
            yield
    else:
        with one_run(out, "project", beside=True, part=share[0] if share[1] > 1 else None):
            yield


def _open_together(open_store: Callable[[], LatentStore]) -> LatentStore:
    """Let the first process make the store, and the others open it."""
    if jax.process_count() == 1:
        return open_store()
    refused: InputError | None = None
    if jax.process_index() == 0:
        try:
            open_store()
        except InputError as error:
            refused = error
    if multihost_utils.process_allgather(np.asarray(refused is not None)).any():
        raise refused or InputError("the first process refused the store")
    return open_store()


def _unique_names(videos: list[Video]) -> list[str]:
    """Name each video by its subject, and by its place among that subject's."""
    counts: dict[str, int] = {}
    names = []
    for video in videos:
        counts[video.subject] = counts.get(video.subject, -1) + 1
        names.append(f"{video.subject}#{counts[video.subject]}")
    return names
