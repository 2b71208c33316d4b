"""How much fine detail frames have in space, and videos in time."""

import numpy as np
from jaxtyping import Bool, Float, Real

HIGH = 0.25  # cycles a pixel: half of the highest frequency that a frame can hold
SLOW_HARMONICS = 6  # of the beat: what anatomy moves by
_NOISE_HARMONICS = 0.8  # of the highest one, from which on a video is taken to be noise alone


def high_frequency_power(frames: Real[np.ndarray, "n h w"]) -> float:
    """Return the mean power at radial frequencies from `HIGH` on, in squared grey levels.

    A Hann window keeps the frame's border out of it.
    """
    n, height, width = frames.shape
    window = np.hanning(height)[:, None] * np.hanning(width)[None]
    window /= np.sqrt(np.mean(np.square(window)))
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    high = np.hypot(rows, columns) >= HIGH
    twice = np.where((columns > 0) & (columns < 0.5), 2, 1) * high  # rfft holds half of them
    total = 0.0
    for frame in frames:
        x = frame.astype(np.float64)
        power = np.square(np.abs(np.fft.rfft2((x - x.mean()) * window))) / (height * width) ** 2
        total += float((power * twice).sum())
    return total / n


def liveliness(video: Real[np.ndarray, "t h w"], where: Bool[np.ndarray, "h w"]) -> float:
    """Return how much pixels of a beat change faster than its sixth harmonic, white noise apart.

    In grey levels: the root of the mean power, over pixels, of harmonics 7 to the highest. White
    noise has equal power in all harmonics; the median of the highest fifth is taken for it.

    Args:
        video: One beat, at least 16 frames.
        where: Pixels that are of one tissue throughout.

    Returns:
        NaN where there are no pixels, or too few frames.
    """
    t = len(video)
    highest = (t - 1) // 2
    first_noise = int(_NOISE_HARMONICS * highest)
    if not where.any() or first_noise <= SLOW_HARMONICS:
        return float("nan")
    series: Float[np.ndarray, "t pixels"] = video[:, where].astype(np.float64)
    # A harmonic's two coefficients, k and −k, hold equal power.
    power = 2 * np.mean(np.square(np.abs(np.fft.rfft(series, axis=0) / t)), axis=1)
    noise = float(np.median(power[first_noise : highest + 1]))
    fast = power[SLOW_HARMONICS + 1 : highest + 1]
    return float(np.sqrt(max(float(fast.sum()) - len(fast) * noise, 0.0)))
