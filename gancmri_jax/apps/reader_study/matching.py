"""Evening out what trivial image statistics show of a study's clips: `study create --match`.

Every clip is brought to what the clips have in common: frames are left out so that the step from
the last to the first is alike, sharp clips are blurred, noise is added to quiet ones, and the
window is set anew so that equal shares are black and white. Only worse can be made alike: noise
cannot be taken away without a trace, nor sharpness added.
"""

import dataclasses
import math
import sqlite3
from typing import NamedTuple

import numpy as np
import scipy.ndimage
from jaxtyping import Float, UInt8

from gancmri_jax.apps.reader_study.blinding import clips, detail, noise, relative_step, step_sizes
from gancmri_jax.apps.reader_study.items import Track
from gancmri_jax.apps.reader_study.store import Study

KEPT = 0.9  # of the frames of a video, so that some can be left out
MOST_BLACK, MOST_WHITE = 0.5, 0.2  # shares of a clip
MOST_BLUR = 3.0  # pixels, a standard deviation
ROUNDS = 4  # of setting the window and measuring the noise in it
HALVINGS = 8


class Target(NamedTuple):
    """What every clip is brought to.

    Attributes:
        black, white: Shares of its pixels.
        fine_detail: See `blinding.detail`.
        noise: Standard deviation, in grey levels.
        step: From the last frame to the first, in medians of the others; NaN of single frames.
    """

    black: float
    white: float
    fine_detail: float
    noise: float
    step: float


def match(connection: sqlite3.Connection, study: Study, progress: Track) -> tuple[Study, Target]:
    """Bring all stimuli of a study to a common target; return the study as it is then."""
    num_frames = study.num_frames if study.num_frames < 3 else math.ceil(KEPT * study.num_frames)
    target = _target(connection, study, num_frames)
    numbers = [number for (number,) in connection.execute("SELECT id FROM stimulus ORDER BY id")]
    for number in progress(numbers, "match"):
        (content,) = connection.execute(
            "SELECT pixels FROM stimulus WHERE id = ?", (number,)
        ).fetchone()
        clip = np.frombuffer(content, np.uint8).reshape(-1, study.size, study.size)
        matched = even_out(clip, num_frames, target, np.random.default_rng((study.seed, number)))
        connection.execute(
            "UPDATE stimulus SET pixels = ? WHERE id = ?", (matched.tobytes(), number)
        )
    return dataclasses.replace(study, num_frames=num_frames), target


def even_out(
    clip: UInt8[np.ndarray, "t h w"], num_frames: int, target: Target, rng: np.random.Generator
) -> UInt8[np.ndarray, "n h w"]:
    """Return a clip of `num_frames` successive frames, as near to a target as can be."""
    frames = clip.astype(np.float32)
    if num_frames < len(frames):
        steps = [relative_step(s) for s in _windows(frames, num_frames)]
        start = int(np.argmin(np.abs(np.log(np.maximum(steps, 1e-3) / max(target.step, 1e-3)))))
        frames = frames[start : start + num_frames]
    frames = _blurred(frames, target.fine_detail)
    grain = rng.standard_normal(frames.shape, dtype=np.float32)
    variance = 0.0  # of what is added, in the units of the frames
    for _ in range(ROUNDS):
        shown, gain = _windowed(frames + np.float32(variance**0.5) * grain, target)
        lacking = target.noise**2 - noise(shown) ** 2
        variance = max(0.0, variance + lacking / gain**2)
    shown, _ = _windowed(frames + np.float32(variance**0.5) * grain, target)
    return np.round(shown).astype(np.uint8)


def _target(connection: sqlite3.Connection, study: Study, num_frames: int) -> Target:
    """Choose what nearly all clips can be brought to by making them worse."""
    black, white, fine_detail, noises = [], [], [], []
    steps: dict[str, list[float]] = {}
    for _, kind, _, clip in clips(connection, study):
        frames = clip.astype(np.float32)
        black.append(float((clip == 0).mean()))
        white.append(float((clip == 255).mean()))
        fine_detail.append(detail(frames))
        noises.append(noise(frames))
        if num_frames < len(frames):
            least = min(relative_step(s) for s in _windows(frames, num_frames))
            steps.setdefault(kind, []).append(least)
    return Target(
        min(float(np.quantile(black, 0.9)), MOST_BLACK),
        min(float(np.quantile(white, 0.9)), MOST_WHITE),
        float(np.quantile(fine_detail, 0.1)),
        float(np.quantile(noises, 0.9)),
        max((float(np.median(own)) for own in steps.values()), default=np.nan),
    )


def _windows(
    frames: Float[np.ndarray, "t h w"], num_frames: int
) -> list[Float[np.ndarray, "n"]]:
    """Return the steps of every run of so many successive frames."""
    starts = range(len(frames) - num_frames + 1)
    return [step_sizes(frames[start : start + num_frames]) for start in starts]


def _blurred(
    frames: Float[np.ndarray, "t h w"], fine_detail: float
) -> Float[np.ndarray, "t h w"]:
    """Blur frames until their detail is no finer than a target."""
    some = frames[:: -(-len(frames) // 4)]
    if detail(some) <= fine_detail:
        return frames
    low, high = 0.0, MOST_BLUR
    for _ in range(HALVINGS):
        sigma = (low + high) / 2
        finer = detail(_gaussian(some, sigma)) > fine_detail
        low, high = (sigma, high) if finer else (low, sigma)
    return _gaussian(frames, high)


def _gaussian(frames: Float[np.ndarray, "t h w"], sigma: float) -> Float[np.ndarray, "t h w"]:
    return scipy.ndimage.gaussian_filter(frames, (0, sigma, sigma), mode="nearest")


def _windowed(
    frames: Float[np.ndarray, "t h w"], target: Target
) -> tuple[Float[np.ndarray, "t h w"], float]:
    """Set the window by shares of pixels that become black and white; return the gain too."""
    low, high = np.quantile(frames, (target.black, 1 - target.white)).tolist()
    gain = 255 / max(high - low, 1e-3)
    return np.clip((frames - low) * gain, 0, 255), gain
