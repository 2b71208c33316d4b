"""The latent codes of a study: projected frames, video by video."""

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclasses.dataclass(frozen=True)
class Codes:
    """Projected frames of several videos, padded to the longest.

    Attributes:
        ws: Codes; those that are not `valid` mean nothing.
        valid: Which frames are projected.
        distances: Distance of each frame's rendering to the frame, as the projector measured it.
        num_frames, ed_frame, es_frame: By video.
        subjects: Whose each video is.
    """

    ws: Float[np.ndarray, "video frame num_ws w_dim"]
    valid: Bool[np.ndarray, "video frame"]
    distances: Float[np.ndarray, "video frame"]
    num_frames: Int[np.ndarray, "video"]
    ed_frame: Int[np.ndarray, "video"]
    es_frame: Int[np.ndarray, "video"]
    subjects: Sequence[str]

    def at(
        self, frames: Int[np.ndarray, "video"]
    ) -> tuple[Float[np.ndarray, "video num_ws w_dim"], Bool[np.ndarray, "video"]]:
        """Return the codes of one frame a video, and which of them are valid."""
        videos = np.arange(len(self.ws))
        return self.ws[videos, frames], self.valid[videos, frames]

    def without(self, subjects: Collection[str]) -> "Codes":
        """Return the codes of all other subjects."""
        kept = [v for v, subject in enumerate(self.subjects) if subject not in subjects]
        return Codes(
            ws=self.ws[kept],
            valid=self.valid[kept],
            distances=self.distances[kept],
            num_frames=self.num_frames[kept],
            ed_frame=self.ed_frame[kept],
            es_frame=self.es_frame[kept],
            subjects=[self.subjects[v] for v in kept],
        )


def concatenate(studies: Sequence[Codes]) -> Codes:
    """Put studies one after another; a subject counts from the first study that has it."""
    longest = max(study.ws.shape[1] for study in studies)
    seen: set[str] = set()
    rows = []
    for study in studies:
        rows.append([v for v, subject in enumerate(study.subjects) if subject not in seen])
        seen.update(study.subjects)

    def joined(name: str) -> np.ndarray:
        parts = zip(studies, rows, strict=True)
        return np.concatenate([getattr(study, name)[kept] for study, kept in parts])

    def padded(name: str) -> np.ndarray:
        arrays = []
        for study, kept in zip(studies, rows, strict=True):
            array = getattr(study, name)[kept]
            missing = longest - array.shape[1]
            arrays.append(np.pad(array, [(0, 0), (0, missing)] + [(0, 0)] * (array.ndim - 2)))
        return np.concatenate(arrays)

    return Codes(
        ws=padded("ws"),
        valid=padded("valid"),
        distances=padded("distances"),
        num_frames=joined("num_frames"),
        ed_frame=joined("ed_frame"),
        es_frame=joined("es_frame"),
        subjects=[s.subjects[v] for s, kept in zip(studies, rows, strict=True) for v in kept],
    )
