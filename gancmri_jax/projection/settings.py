"""What a projection depends on besides the target and its key."""

import dataclasses
from typing import Literal

from gancmri_jax.projection.distance import Distance

Space = Literal["w", "w+"]
Start = Literal["mean", "encoder"]
Dtype = Literal["float32", "bfloat16"]

_LEAST_CHUNK, _CHUNKS = 10, 20


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to search.

    Attributes:
        num_steps: Steps of Adam(0.9, 0.999).
        space: `w`, one w for all rows, as in the paper, or `w+`, a w for each row.
        distance: Name of the image distance, one of `distance.DISTANCES`.
        learning_rate: Its peak: it ramps up over the first 5 % and down over the last 25 %.
        w_noise: Amplitude of the noise added to w, in units of w's deviation, at the start. It lets
            a search see more of W, and undoes a good guess; so None becomes the paper's 0.05 from
            the mean, and 0 from the encoder.
        w_noise_until: Share of the steps after which no noise is added to w.
        noise_weight: Weight of the noise maps' autocorrelation.
        start: Where the search begins: at the mean w, or at what the model's encoder says.
        pull_to_w: In W+, the weight of the rows' mean squared distance from their mean, in units of
            w's deviation: Tov et al. 2021 ("Designing an encoder for StyleGAN image manipulation",
            section 4) keep codes editable so.
        stop_at: A frame whose distance is no larger stops there; None lets all take all steps.
        dtype: What networks compute in; codes and optimiser state are float32 in any case.
        remat: Compute activations again for the gradient instead of keeping them: a larger batch
            fits into memory, at a third more work. Codes do not depend on it.
    """

    num_steps: int = 1000
    space: Space = "w"
    distance: Distance = "multiscale_pixel"
    learning_rate: float = 0.1
    w_noise: float | None = None
    w_noise_until: float = 0.75
    noise_weight: float = 1e5
    start: Start = "mean"
    pull_to_w: float = 0.0
    stop_at: float | None = None
    dtype: Dtype = "float32"
    remat: bool = False

    def __post_init__(self) -> None:
        if self.w_noise is None:
            object.__setattr__(self, "w_noise", 0.0 if self.start == "encoder" else 0.05)

    @property
    def chunk(self) -> int:
        """Steps between two looks at the distances: a twentieth of all, at least 10.

        Where there is a divisor of all steps not far above, it is that, so that one compiled
        program serves all chunks.
        """
        least = max(_LEAST_CHUNK, self.num_steps // _CHUNKS)
        if self.num_steps <= least:
            return self.num_steps
        even = (n for n in range(least, 3 * least) if self.num_steps % n == 0)
        return next(even, least)

    @property
    def num_looks(self) -> int:
        """How often distances are looked at."""
        return -(-self.num_steps // self.chunk)
