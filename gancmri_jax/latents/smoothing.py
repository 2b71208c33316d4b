"""Linear smoothers of a closed beat: matrices from t equal parts of it to `num_frames`.

All act on time alone, so that smoothing a mean is the mean of what is smoothed.
"""

import functools

import numpy as np
import scipy.interpolate
from jaxtyping import Array, Float

HARMONICS = 6
DEGREE = 12


@functools.cache
def fourier_smoother(
    t: int, num_frames: int, harmonics: int = HARMONICS
) -> Float[np.ndarray, "{num_frames} {t}"]:
    """Return the least-squares fit of a mean and sines and cosines up to `harmonics` a beat.

    Where t is 2·harmonics + 1 it passes through all t points, so that these few points stand for
    the whole curve.

    Raises:
        ValueError: The points are too few for so many harmonics.
    """
    if t < 2 * harmonics + 1:
        raise ValueError(f"{harmonics} harmonics need {2 * harmonics + 1} frames, got {t}")

    def basis(count: int) -> np.ndarray:
        angles = 2 * np.pi * np.arange(count)[:, None] / count * np.arange(1, harmonics + 1)
        return np.concatenate([np.ones((count, 1)), np.cos(angles), np.sin(angles)], axis=1)

    return basis(num_frames) @ np.linalg.pinv(basis(t))


@functools.cache
def polynomial_smoother(
    t: int, num_frames: int, degree: int = DEGREE
) -> Float[np.ndarray, "{num_frames} {t}"]:
    """Return the regression on polynomials of the time that leave a beat where it began.

    They have a factor u(1 − u), u being the part of the beat, so that both its ends are at 0; what
    is smoothed must be offsets from the first frame.

    Raises:
        ValueError: The points are too few for such a degree.
    """
    if not 2 <= degree < t:
        raise ValueError(f"a degree of {degree} needs over {degree} frames, got {t}")

    def basis(count: int) -> np.ndarray:
        u = np.arange(count) / count
        return (u * (1 - u))[:, None] * np.polynomial.chebyshev.chebvander(2 * u - 1, degree - 2)

    return basis(num_frames) @ np.linalg.pinv(basis(t))


def spline_smoother(
    ws: Float[Array | np.ndarray, "t num_ws w_dim"], num_frames: int
) -> Float[np.ndarray, "{num_frames} t"]:
    """Return the periodic cubic smoothing spline that generalised cross-validation picks for `ws`.

    Of all curves it lowers squared error + λ ∫ (second derivative)² (Green & Silverman 1994,
    chapter 2). At equal steps of a closed beat its matrices are circulant, so that every frequency
    is shrunk on its own, and λ is tried on all dimensions at once (Craven & Wahba 1979).
    """
    t = len(ws)
    cosine = np.cos(2 * np.pi * np.fft.rfftfreq(t))
    bending = (2 * cosine - 2) ** 2 / (2 / 3 + cosine / 3)  # of each frequency
    spectrum = np.fft.rfft(np.asarray(ws, np.float64).reshape(t, -1), axis=0)
    counts = np.where((np.arange(len(cosine)) == 0) | (2 * np.arange(len(cosine)) == t), 1, 2)
    power = counts * np.square(np.abs(spectrum)).sum(axis=1)
    shrinkages = 1 / (1 + np.logspace(-6, 6, 121)[:, None] * bending)
    errors = ((1 - shrinkages) ** 2 @ power) / (1 - shrinkages @ counts / t) ** 2
    shrinkage = shrinkages[errors.argmin()]
    smooth = np.fft.irfft(shrinkage[:, None] * np.fft.rfft(np.eye(t), axis=0), t, axis=0)
    closed = np.concatenate([smooth, smooth[:1]])
    curve = scipy.interpolate.CubicSpline(np.arange(t + 1), closed, bc_type="periodic")
    return curve(np.arange(num_frames) * (t / num_frames))
