"""Which projected frames are not to be trusted: the search broke off, or ended far from them."""

import enum

import numpy as np
from jaxtyping import Float, UInt8

_DEVIATIONS = 5.0
_LEAST_SPREAD = 0.1  # of the median
_MAD_OF_NORMAL = 0.6745  # the median absolute deviation of a normal distribution, in units of σ


class Flag(enum.IntEnum):
    """Why a frame is flagged."""

    FINE = 0
    FAR = 1
    NO_NUMBER = 2


def far_distance(distances: Float[np.ndarray, "n"]) -> float:
    """Return the distance above which a frame is far: five robust deviations above the median.

    The deviation is estimated from the median absolute one, so that what is far does not raise it,
    and taken to be a tenth of the median at least, lest frames that are all alike be told apart.
    Where nothing is known, nothing is far.
    """
    if not len(distances):
        return float("inf")
    median = np.median(distances)
    spread = np.median(np.abs(distances - median)) / _MAD_OF_NORMAL
    return float(median + _DEVIATIONS * max(spread, _LEAST_SPREAD * median))


def flag(distances: Float[np.ndarray, "*n"], above: float) -> UInt8[np.ndarray, "*n"]:
    """Return each frame's Flag."""
    flags = np.where(distances > above, Flag.FAR, Flag.FINE)
    return np.where(np.isfinite(distances), flags, Flag.NO_NUMBER).astype(np.uint8)
