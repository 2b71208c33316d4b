"""How videos move: how smoothly, whether they close, and how far from where they began."""

import dataclasses

import numpy as np
from jaxtyping import Float, UInt8


@dataclasses.dataclass(frozen=True)
class Movement:
    """Of one video, over root mean square differences of its frames in grey levels.

    Attributes:
        step: Mean over steps from a frame to the next.
        roughness: Mean of the second differences over `step`: 0 for even motion, about √3 for
            frames that jitter independently.
        closure: The step from the last frame to the first over `step`: about 1 where a beat closes.
        excursion: The largest difference from the first frame.
    """

    step: float
    roughness: float
    closure: float
    excursion: float


def movement(frames: UInt8[np.ndarray, "t h w"]) -> Movement:
    """Measure a video of at least three frames."""
    x = frames.astype(np.float64)

    def size(differences: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, "n"]:
        return np.sqrt(np.square(differences).mean(axis=(-2, -1)))

    step = float(size(np.diff(x, axis=0)).mean())
    whole = max(step, 1e-12)  # a still video has no roughness, and closes
    return Movement(
        step=step,
        roughness=float(size(np.diff(x, 2, axis=0)).mean() / whole),
        closure=float(size(x[:1] - x[-1:])[0] / whole),
        excursion=float(size(x - x[:1]).max()),
    )
