"""How alike two pictures are: structural similarity and peak signal-to-noise ratio."""

import numpy as np
from jaxtyping import Bool, Float, Real
from scipy.ndimage import gaussian_filter

from gancmri_jax.errors import InputError

_SIGMA, _RADIUS = 1.5, 5
WINDOW = 2 * _RADIUS + 1
_RANGE = 255.0


def ssim(
    a: Real[np.ndarray, "*n h w"],
    b: Real[np.ndarray, "*n h w"],
    where: Bool[np.ndarray, "*n h w"] | None = None,
) -> Float[np.ndarray, "*n"]:
    """Return the structural similarity of each pair (Wang et al. 2004, equation 13).

    Grey levels are from 0 to 255, whole or not. The window is a Gaussian of σ = 1.5 over 11×11
    pixels; moments are the window's own (÷ 1), and the mean is over pixels whose window lies within
    the picture.

    Args:
        a, b: Pictures, one by one.
        where: Pixels that the mean is over, of those; NaN where a picture has none.

    Raises:
        InputError: The pictures are smaller than the window.
    """
    assert a.shape == b.shape, (a.shape, b.shape)
    if min(a.shape[-2:]) < WINDOW:
        raise InputError(f"ssim takes frames of {WINDOW}² or more, these are {a.shape[-2:]}")
    x, y = a.astype(np.float64), b.astype(np.float64)
    c1, c2 = (0.01 * _RANGE) ** 2, (0.03 * _RANGE) ** 2

    def mean(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, _SIGMA, radius=_RADIUS, axes=(-2, -1))

    mean_x, mean_y = mean(x), mean(y)
    var_x, var_y = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    inner = slice(_RADIUS, -_RADIUS)
    seen = where if where is None else where[..., inner, inner]
    return _mean((luminance * structure)[..., inner, inner], seen)


def psnr(
    a: Real[np.ndarray, "*n h w"],
    b: Real[np.ndarray, "*n h w"],
    where: Bool[np.ndarray, "*n h w"] | None = None,
) -> Float[np.ndarray, "*n"]:
    """Return the peak signal-to-noise ratio of each pair in dB; infinite where they are equal.

    Args:
        a, b: Pictures, one by one.
        where: Pixels that are compared; NaN where a picture has none.
    """
    error = _mean(np.square(a.astype(np.float64) - b.astype(np.float64)), where)
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(_RANGE**2 / error))


def _mean(
    values: Float[np.ndarray, "*n h w"], where: Bool[np.ndarray, "*n h w"] | None
) -> Float[np.ndarray, "*n"]:
    if where is None:
        return np.asarray(values.mean(axis=(-2, -1)))
    count = where.sum(axis=(-2, -1))
    with np.errstate(invalid="ignore"):
        return np.asarray((values * where).sum(axis=(-2, -1)) / count)
