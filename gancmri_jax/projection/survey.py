"""What a study's cines are, before any is projected: their frames, and what identifies them all.

A store is resumed with the cines that it was begun with and no others. They are identified by all
that their codes depend on: by their pixels, or, where records have a summary
(`cine.record_summary`), by the hashes of pixels in it, so that no pixel is read. Cines that a store
identifies in the other way are known in that way too.
"""

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.record_summary import RecordSummary, summarise_record
from gancmri_jax.cine.records import Records
from gancmri_jax.errors import InputError
from gancmri_jax.model.model import Model
from gancmri_jax.physiology.end_systole import EsSource, find_es, known_es
from gancmri_jax.projection.store import Begun, Video

Which = Literal["all", "ed-es", "ed"]


def survey(
    model: Model,
    cines: Sequence[Cine],
    which: Which,
    es_frames: Mapping[str, int] | None,
    begun: Begun,
) -> tuple[list[Video], str]:
    """Describe every cine, and identify them by all that their codes depend on, in their order.

    Args:
        model: Its segmenter finds ES frames that are not known otherwise.
        cines: Videos in uint8.
        which: Frames that are projected.
        es_frames: ES frames by subject, which override all other sources.
        begun: What the store is of, where one is there.

    Raises:
        InputError: One has frames of another size, or one to be projected that is all of one grey,
            or records were changed after they were written.
    """
    held = begun.provenance.get("videos")
    summaries = cines.summary() if isinstance(cines, Records) else None
    if summaries is not None:
        videos = list(_videos_by_summary(model, cines, summaries, which, es_frames, begun))
        found = _fingerprint_by_summary(videos, summaries)
        if held in (None, found):
            return videos, found
    by_pixels = hashlib.sha256()
    videos, summaries_read = [], []
    for index, cine in enumerate(cines):
        summary = summarise_record(cine)
        video = _as_begun(
            _video(model, summary, which, find_es(cine, model.segmenter, es_frames)),
            which,
            begun,
            index,
        )
        by_pixels.update(_described(video, summary))
        by_pixels.update(np.ascontiguousarray(cine.pixels).data)
        videos.append(video)
        summaries_read.append(summary)
    by_summary = _fingerprint_by_summary(videos, summaries_read)
    fingerprint = by_pixels.hexdigest()[:16]
    prefers_summary = summaries is not None and held != fingerprint
    return videos, by_summary if prefers_summary or held == by_summary else fingerprint


def frames_of(video: Video, which: Which) -> list[int]:
    """Return which frames of a video are projected."""
    if which == "all":
        return list(range(video.num_frames))
    return sorted({video.ed_frame} | ({video.es_frame} if which == "ed-es" else set()))


def _videos_by_summary(
    model: Model,
    cines: Sequence[Cine],
    summaries: Sequence[RecordSummary],
    which: Which,
    es_frames: Mapping[str, int] | None,
    begun: Begun,
) -> Iterator[Video]:
    """Describe cines by their summaries.

    Where a segmenter has to find ES, the cine is read, or the store that is there says it.
    """
    for index, summary in enumerate(summaries):
        es = known_es(summary.subject, summary.shape[0], summary.es_frame, es_frames)
        if es is None and model.segmenter is not None:
            if index < len(begun.videos) and begun.videos[index].subject == summary.subject:
                held = begun.videos[index]
                es = held.es_frame, held.es_source
            else:
                es = find_es(cines[index], model.segmenter, es_frames)
        video = _video(model, summary, which, es or (summary.farthest_frame, "distance"))
        yield _as_begun(video, which, begun, index)


def _video(model: Model, summary: RecordSummary, which: Which, es: tuple[int, EsSource]) -> Video:
    """Describe a cine.

    Raises:
        InputError: Its frames have another size than the model's, or one to be projected is empty.
    """
    side = model.resolution
    if summary.shape[1:] != (side, side):
        raise InputError(
            f"{summary.subject}: has frames of {summary.shape[1]} × {summary.shape[2]}, the model "
            f"takes {side} × {side}; prepare the cines with --size {side}"
        )
    video = Video(summary.subject, summary.shape[0], summary.ed_frame, *es)
    for frame in frames_of(video, which):
        if frame in summary.empty:
            raise InputError(
                f"{summary.subject}: frame {frame} is empty, all its pixels are "
                f"{summary.empty[frame]}; leave the cine out"
            )
    return video


def _as_begun(video: Video, which: Which, begun: Begun, index: int) -> Video:
    """Return a video with the ES frame of the store that is there, where it does not matter.

    Version 0.1 did not ask the segmenter in `superres`. Codes of all frames do not depend on ES, so
    such a store keeps its own.
    """
    if which == "all" and video.es_source == "segmenter" and index < len(begun.videos):
        held = begun.videos[index]
        if held.es_source == "distance":
            return dataclasses.replace(video, es_frame=held.es_frame, es_source=held.es_source)
    return video


def _fingerprint_by_summary(videos: Sequence[Video], summaries: Sequence[RecordSummary]) -> str:
    digest = hashlib.sha256()
    for video, summary in zip(videos, summaries, strict=True):
        digest.update(_described(video, summary))
        digest.update(summary.pixels_sha256.encode())
    return digest.hexdigest()[:16]


def _described(video: Video, summary: RecordSummary) -> bytes:
    return repr((*vars(video).values(), summary.shape)).encode()
