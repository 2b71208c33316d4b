"""The kernel Inception distance, KID: an unbiased distance, for small sets too.

Bińkowski et al. 2018: the squared maximum mean discrepancy under k(x, y) = (x·y / d + 1)³.
"""

import numpy as np
from jaxtyping import Float

SUBSETS = 100
SUBSET_SIZE = 1000


def mmd_squared(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "n d"]) -> float:
    """Return the unbiased estimate from two sets of as many features (their equation 4)."""
    assert a.shape == b.shape, (a.shape, b.shape)
    n, d = a.shape
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        base = x @ y.T / d + 1
        return base * base * base  # a tenth of the time of `** 3`

    within = sum(k.sum() - np.trace(k) for k in (kernel(a, a), kernel(b, b)))
    return float(within / (n * (n - 1)) - 2 * kernel(a, b).sum() / n**2)


def kernel_distance(
    a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"], seed: int = 0
) -> tuple[float, float]:
    """Return the mean over 100 random subsets, and the standard error.

    Subsets are of m = 1,000, or of half the smaller set where that is less. Drawn from n samples
    without replacement they spread by √(1 − m/n) of what sets of m would, and all n by √(m/n) of
    that, so the error is √(m / (n − m)) times their spread (Politis & Romano 1994).
    """
    rng = np.random.default_rng(seed)
    smaller = min(len(a), len(b))
    size = min(SUBSET_SIZE, smaller // 2)
    estimates = [
        mmd_squared(
            a[rng.choice(len(a), size, replace=False)], b[rng.choice(len(b), size, replace=False)]
        )
        for _ in range(SUBSETS)
    ]
    spread = np.std(estimates, ddof=1)
    return float(np.mean(estimates)), float(spread * (size / (smaller - size)) ** 0.5)
