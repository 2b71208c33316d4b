"""The Fréchet distance between two sets of features, each taken as a Gaussian.

Heusel et al. 2017, equation 6: ‖μ₁ − μ₂‖² + Tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½), Dowson & Landau 1982.
"""

import numpy as np
from jaxtyping import Float

from gancmri_jax.errors import InputError


class Moments:
    """Mean and covariance of features that come in batches, in float64.

    Batches are merged by their own means (Chan et al. 1979), so a large mean costs no precision.
    """

    def __init__(self, dimension: int) -> None:
        self.count = 0
        self.mean = np.zeros(dimension)
        self._scatter = np.zeros((dimension, dimension))  # sum of outer products about the mean

    @classmethod
    def of(cls, features: Float[np.ndarray, "n d"], batch: int = 4096) -> "Moments":
        """Take in all features of a set."""
        moments = cls(features.shape[1])
        for first in range(0, len(features), batch):
            moments.add(features[first : first + batch])
        return moments

    def add(self, features: Float[np.ndarray, "n d"]) -> None:
        """Take in a batch."""
        features = np.asarray(features, np.float64)
        count, mean = len(features), features.mean(axis=0)
        centred, shift, total = features - mean, mean - self.mean, self.count + count
        self._scatter += centred.T @ centred
        self._scatter += np.outer(shift, shift) * (self.count * count / total)
        self.mean = self.mean + shift * (count / total)
        self.count = total

    def covariance(self, ddof: int) -> Float[np.ndarray, "d d"]:
        """Return the covariance, the scatter over count − ddof."""
        if self.count <= ddof:
            raise InputError(f"a covariance needs more than {ddof} samples, got {self.count}")
        return self._scatter / (self.count - ddof)


def frechet_distance(a: Moments, b: Moments, ddof: int = 1) -> float:
    """Return the Fréchet distance of two sets.

    Tr (Σ₁ Σ₂)^½ is the sum of the roots of the eigenvalues of √Σ₁ Σ₂ √Σ₁, which is symmetric, so
    they are real; what rounding makes negative counts as zero.

    Args:
        a, b: The sets' moments.
        ddof: 1 as pytorch-fid and the first FID code, 0 as NVIDIA's.
    """
    cov_a, cov_b = a.covariance(ddof), b.covariance(ddof)
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    product = np.linalg.eigvalsh(root @ cov_b @ root)
    trace = np.sqrt(np.clip(product, 0, None)).sum()
    shift = a.mean - b.mean
    return float(shift @ shift + np.trace(cov_a) + np.trace(cov_b) - 2 * trace)


def frechet_distance_of(
    a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"], ddof: int = 1
) -> float:
    """Return the Fréchet distance of two sets of features.

    With A and B the centred features over √(n − ddof) and √(m − ddof), Σ₁ = AᵀA and Σ₂ = BᵀB, so
    the roots of Σ₁ Σ₂'s eigenvalues are the singular values of A Bᵀ: n by m, the smaller problem
    where there are fewer samples than features.
    """
    if max(len(a), len(b)) >= a.shape[1]:
        return frechet_distance(Moments.of(a), Moments.of(b), ddof)
    if min(len(a), len(b)) <= ddof:
        raise InputError(f"a covariance needs more than {ddof} samples, got {min(len(a), len(b))}")
    means = [np.asarray(np.mean(x, axis=0, dtype=np.float64)) for x in (a, b)]
    x = np.asarray((a - means[0]) / (len(a) - ddof) ** 0.5)
    y = np.asarray((b - means[1]) / (len(b) - ddof) ** 0.5)
    roots = np.linalg.svd(x @ y.T, compute_uv=False)
    shift = means[0] - means[1]
    return float(shift @ shift + np.square(x).sum() + np.square(y).sum() - 2 * roots.sum())
