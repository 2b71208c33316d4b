"""What a measurement depends on besides the two sets, and how it reports its progress."""

import dataclasses
from collections.abc import Callable
from typing import Any

# Called with what begins and how many items it has; what it returns is called with how many of
# them were done since its last call.
OnStart = Callable[[str, int], Callable[[int], object]]


@dataclasses.dataclass(frozen=True)
class Protocol:
    """What metrics depend on besides the two sets.

    Attributes:
        seed: Of everything that is drawn.
        ddof: Of covariances: 1 as pytorch-fid, 0 as NVIDIA's.
        bootstrap: Resamples behind the interval of a Fréchet distance; 0 for none.
        segmenter: For `fcn_fd`: a `Segmenter`, and the name of its model. (Its type would import
            JAX, which `gancmri evaluate --help` must not wait for.)
        keep_features: Keep the real set's features in the cache.
    """

    seed: int = 0
    ddof: int = 1
    bootstrap: int = 20
    segmenter: tuple[Any, str] | None = None
    keep_features: bool = True
