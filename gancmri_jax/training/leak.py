"""Whether augmentation leaks: whether generated images move about as augmented ones do.

StyleGAN2-ADA (Karras et al. 2020), section 2.2: as long as the probability stays below about 0.8,
a generator learns the images without their augmentation; this is how one sees that it did.
"""

import numpy as np
from jaxtyping import Float, UInt8


def leak(real: UInt8[np.ndarray, "real h w"], fake: UInt8[np.ndarray, "fake h w"]) -> float:
    """Return how much more generated images vary in grey level or in place than real ones.

    Of mean, contrast, and row and column of the centre of brightness: the largest ratio of the
    standard deviations over images, fake over real; about 1 or below where nothing leaks.
    """
    ratios = statistics(fake).std(axis=0) / np.maximum(statistics(real).std(axis=0), 1e-6)
    return float(ratios.max())


def statistics(frames: UInt8[np.ndarray, "n h w"]) -> Float[np.ndarray, "n 4"]:
    """Return each frame's mean and contrast in grey levels, and its centre in sides."""
    x = frames.astype(np.float64)
    mass = x.sum(axis=(1, 2)) + 1e-9
    rows, columns = (np.arange(side) / side for side in x.shape[1:])
    row = (x.sum(axis=2) * rows).sum(axis=1) / mass
    column = (x.sum(axis=1) * columns).sum(axis=1) / mass
    return np.stack([x.mean(axis=(1, 2)), x.std(axis=(1, 2)), row, column], axis=1)
