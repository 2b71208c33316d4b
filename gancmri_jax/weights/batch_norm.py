"""Batch normalisation at rest, folded into the convolution before it."""

import numpy as np
from jaxtyping import Float

_EPSILON = 1e-3  # of both Inceptions


def fold_batch_norm(
    kernel: Float[np.ndarray, "*size i o"],
    shift: Float[np.ndarray, "o"],
    mean: Float[np.ndarray, "o"],
    variance: Float[np.ndarray, "o"],
    gain: Float[np.ndarray, "o"] | float = 1.0,
) -> tuple[Float[np.ndarray, "*size i o"], Float[np.ndarray, "o"]]:
    """Return kernel and bias that do convolution and normalisation in one, rounded once."""
    scale = gain / np.sqrt(variance.astype(np.float64) + _EPSILON)
    return (kernel * scale).astype(np.float32), (shift - mean * scale).astype(np.float32)
