"""A cine: the frames of one slice over one heartbeat, with their spacing and timing."""

import dataclasses
import math

import numpy as np
from jaxtyping import Shaped

from gancmri_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Cine:
    """Frames of one slice over one heartbeat, in display orientation (rows down, columns right).

    Attributes:
        pixels: Frames [t h w], real-valued, in whatever intensities the source holds.
        spacing_mm: Distance between rows and between columns, in millimetres; NaN, both, where the
            source does not say.
        frame_ms: Time between frames in milliseconds, or None where the source does not say.
        subject: Whose heart it is: a name unique within a study.
        ed_frame: Index of the end-diastolic frame.
        es_frame: Index of the end-systolic frame, or None where it is not known.
        padded_share: Share of pixels that the scanner filled up and did not measure. They hold the
            lowest intensity, and a window is set without them.
        notes: What a reader should know of how it was chosen and timed, a line each, which never
            names the subject.

    Raises:
        InputError: The fields contradict each other; the message names the subject.
    """

    pixels: Shaped[np.ndarray, "t h w"]
    spacing_mm: tuple[float, float]
    frame_ms: float | None
    subject: str
    ed_frame: int = 0
    es_frame: int | None = None
    padded_share: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def shown_frame_ms(self) -> float:
        """The time of a frame in a film: that of a beat of one second where it is not known."""
        return self.frame_ms or 1000 / len(self.pixels)

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or 0 in self.pixels.shape:
            raise InputError(f"{self.subject}: frames must be [t h w], got {self.pixels.shape}")
        known = not all(math.isnan(mm) for mm in self.spacing_mm)
        if known and not all(math.isfinite(mm) and mm > 0 for mm in self.spacing_mm):
            raise InputError(f"{self.subject}: spacing must be positive, got {self.spacing_mm} mm")
        num_frames = len(self.pixels)
        for name, frame in (("ED", self.ed_frame), ("ES", self.es_frame)):
            if frame is not None and not 0 <= frame < num_frames:
                raise InputError(
                    f"{self.subject}: {name} frame {frame} is outside 0…{num_frames - 1}"
                )
