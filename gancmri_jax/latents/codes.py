"""The latent codes of a study: projected frames, video by video, in memory or read in chunks."""

import dataclasses
from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

# Called with the number of videos that a pass reads; what it returns, with those read since.
OnPass = Callable[[int], Callable[[int], object]]


@dataclasses.dataclass(frozen=True)
class CodesIndex:
    """What is known of projected videos besides their codes, padded to the longest.

    Attributes:
        valid: Which frames are projected.
        distances: Distance of each frame's rendering to the frame, as the projector measured it.
        num_frames, ed_frame, es_frame: By video.
        subjects: Whose each video is.
    """

    valid: Bool[np.ndarray, "video frame"]
    distances: Float[np.ndarray, "video frame"]
    num_frames: Int[np.ndarray, "video"]
    ed_frame: Int[np.ndarray, "video"]
    es_frame: Int[np.ndarray, "video"]
    subjects: Sequence[str]

    def valid_at(self, frames: Int[np.ndarray, "video"]) -> Bool[np.ndarray, "video"]:
        """Return in which videos this frame is projected."""
        return self.valid[np.arange(len(frames)), frames]


@dataclasses.dataclass(frozen=True)
class Codes(CodesIndex):
    """Projected frames of several videos.

    Attributes:
        ws: Codes; those that are not `valid` mean nothing.
    """

    ws: Float[np.ndarray, "video frame num_ws w_dim"]

    def at(
        self, frames: Int[np.ndarray, "video"]
    ) -> tuple[Float[np.ndarray, "video num_ws w_dim"], Bool[np.ndarray, "video"]]:
        """Return the codes of one frame a video, and which of them are valid."""
        return self.ws[np.arange(len(self.ws)), frames], self.valid_at(frames)

    def take(self, videos: Int[np.ndarray, "kept"]) -> "Codes":
        """Return some of the videos."""
        return Codes(ws=self.ws[videos], **_rows(self, videos))

    def without(self, subjects: Collection[str]) -> "Codes":
        """Return the codes of all other subjects."""
        return self.take(_others(self, subjects))


@dataclasses.dataclass(frozen=True)
class Source:
    """Videos that are read when they are asked for.

    Attributes:
        read: Returns the codes of some of `videos`.
        videos: Numbers that `read` takes.
        at_once: Videos of a chunk.
    """

    read: Callable[[Int[np.ndarray, "some"]], Codes]
    videos: Int[np.ndarray, "video"]
    at_once: int


@dataclasses.dataclass(frozen=True)
class ChunkedCodes(CodesIndex):
    """Codes that are read in chunks of videos, again for each pass over them.

    Attributes:
        sources: Where they are read, one after another.
        num_ws: Rows of a code.
        one_row: All rows of each code are equal, so that one stands for them.
        on_pass: Called as each pass begins.
    """

    sources: tuple[Source, ...]
    num_ws: int
    one_row: bool
    on_pass: OnPass = lambda _: lambda _: None

    def chunks(self) -> Iterator[Codes]:
        """Read all videos in order; `ws` has one row where `one_row` says so, else `num_ws`."""
        told = self.on_pass(len(self.subjects))
        for source in self.sources:
            for first in range(0, len(source.videos), source.at_once):
                codes = source.read(source.videos[first : first + source.at_once])
                rows = 1 if self.one_row else self.num_ws
                yield dataclasses.replace(codes, ws=codes.ws[:, :, :rows])
                told(len(codes.subjects))

    def take(self, videos: Int[np.ndarray, "kept"]) -> "ChunkedCodes":
        """Return some of the videos, named in ascending order."""
        ends = np.cumsum([len(source.videos) for source in self.sources])
        sources = []
        for source, end in zip(self.sources, ends, strict=True):
            begin = end - len(source.videos)
            inside = videos[(begin <= videos) & (videos < end)] - begin
            sources.append(dataclasses.replace(source, videos=source.videos[inside]))
        return dataclasses.replace(self, sources=tuple(sources), **_rows(self, videos))

    def without(self, subjects: Collection[str]) -> "ChunkedCodes":
        """Return the codes of all other subjects."""
        return self.take(_others(self, subjects))


def chunked(codes: Codes | ChunkedCodes) -> ChunkedCodes:
    """Return codes in memory as one chunk."""
    if isinstance(codes, ChunkedCodes):
        return codes
    everything = np.arange(len(codes.subjects))

    def read(videos: Int[np.ndarray, "some"]) -> Codes:
        return codes if np.array_equal(videos, everything) else codes.take(videos)

    whole = Source(read, everything, max(len(everything), 1))
    one_row = bool((codes.ws == codes.ws[:, :, :1]).all())
    index = _rows(codes, everything)
    return ChunkedCodes(sources=(whole,), num_ws=codes.ws.shape[2], one_row=one_row, **index)


def concatenate(studies: Sequence[Codes]) -> Codes:
    """Put studies one after another; a subject counts from the first study that has it."""
    index, rows = _joined(studies)
    longest = index["valid"].shape[1]
    arrays = [_padded(study.ws[kept], longest) for study, kept in zip(studies, rows, strict=True)]
    return Codes(ws=np.concatenate(arrays), **index)


def chain(studies: Sequence[ChunkedCodes]) -> ChunkedCodes:
    """Put studies one after another, as `concatenate` does, and read nothing."""
    index, rows = _joined(studies)
    kept = [study.take(videos) for study, videos in zip(studies, rows, strict=True)]
    return ChunkedCodes(
        sources=tuple(source for study in kept for source in study.sources),
        num_ws=studies[0].num_ws,
        one_row=all(study.one_row for study in studies),
        **index,
    )


def _joined(studies: Sequence[CodesIndex]) -> tuple[dict, list[Int[np.ndarray, "kept"]]]:
    """Return the index of studies one after another, and which of the videos of each are in it."""
    longest = max(study.valid.shape[1] for study in studies)
    seen: set[str] = set()
    rows = []
    for study in studies:
        new = [v for v, subject in enumerate(study.subjects) if subject not in seen]
        rows.append(np.array(new, int))
        seen.update(study.subjects)
    parts = [_rows(study, kept) for study, kept in zip(studies, rows, strict=True)]
    index: dict = {"subjects": [subject for part in parts for subject in part["subjects"]]}
    for name in ("valid", "distances"):
        index[name] = np.concatenate([_padded(part[name], longest) for part in parts])
    for name in ("num_frames", "ed_frame", "es_frame"):
        index[name] = np.concatenate([part[name] for part in parts])
    return index, rows


def _rows(index: CodesIndex, videos: Int[np.ndarray, "kept"]) -> dict:
    arrays = ("valid", "distances", "num_frames", "ed_frame", "es_frame")
    subjects = [index.subjects[video] for video in videos.tolist()]
    return {name: getattr(index, name)[videos] for name in arrays} | {"subjects": subjects}


def _others(index: CodesIndex, subjects: Collection[str]) -> Int[np.ndarray, "kept"]:
    return np.array([v for v, name in enumerate(index.subjects) if name not in subjects], int)


def _padded(array: np.ndarray, longest: int) -> np.ndarray:
    missing = longest - array.shape[1]
    return np.pad(array, [(0, 0), (0, missing)] + [(0, 0)] * (array.ndim - 2))
