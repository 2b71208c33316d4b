"""Evening out what trivial image statistics show of a study's clips: `study create --match`.

Every clip is brought to what the clips have in common. Successive frames are chosen so that the
step from the last to the first is alike; sharp clips are blurred; noise is added to quiet ones;
and a curve of grey levels for each clip, which keeps their order, makes all histograms alike: a
window, and the black level with it. Noise and blur are made alike by making clips worse, since
neither can be taken away without a trace.
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
MOST_BLUR = 3.0  # pixels, a standard deviation
MOST_GAIN = 3.0  # of grey levels: what is flat stays nearly so
ROUNDS = 4  # of setting the window and measuring the noise in it
HALVINGS = 8
GRAIN = 0.7  # pixels, a standard deviation: noise of scanners is resampled, and so no longer white
DARK = 0.2  # share of clips that are darker than the target
SPREAD = 0.2  # of the targets of single clips, so that nothing small distinguishes kinds
SHARES = np.linspace(0, 1, 257)
SAMPLE = 200_000  # pixels of a clip, of which quantiles are taken


class Target(NamedTuple):
    """What every clip is brought to.

    Attributes:
        levels: Grey levels below which the shares of pixels lie that are in `SHARES`.
        fine_detail: See `blinding.detail`.
        noise: Standard deviation, in grey levels.
        step: From the last frame to the first, in medians of the others; NaN of single frames.
    """

    levels: Float[np.ndarray, "q"]
    fine_detail: float
    noise: float
    step: float

    def described(self) -> dict[str, float]:
        """Return it as a study keeps it: of the levels, the quartiles."""
        quarters = self.levels[[64, 128, 192]]
        names = ("lower_quartile", "median", "upper_quartile")
        levels = dict(zip(names, map(float, quarters), strict=True))
        return levels | {
            "fine_detail": self.fine_detail,
            "noise": self.noise,
            "step": self.step,
        }


def match(connection: sqlite3.Connection, study: Study, progress: Track) -> tuple[Study, Target]:
    """Bring all stimuli of a study to a common target; return the study as it is then."""
    target = _target(connection, study)
    numbers = [number for number, *_ in _numbers(connection)]
    for number in progress(numbers, "match"):
        clip = _read(connection, study, number)
        _write(connection, number, even_out(clip, target, _rng(study, number)))
    if study.num_frames < 3:
        return study, target
    # Of the clips as they are now, since noise makes all steps larger.
    num_frames = math.ceil(KEPT * study.num_frames)
    step = _common_step(connection, study, num_frames)
    for number in progress(numbers, "close"):
        clip = _read(connection, study, number)
        _write(connection, number, cut(clip, num_frames, step, _rng(study, -number)))
    return dataclasses.replace(study, num_frames=num_frames), target._replace(step=step)


def even_out(
    clip: UInt8[np.ndarray, "t h w"], target: Target, rng: np.random.Generator
) -> UInt8[np.ndarray, "t h w"]:
    """Return a clip whose grey levels, noise and blur are as near to a target as can be.

    Were all clips brought to the very same numbers, the least remainder would distinguish kinds. So
    the target of each clip is drawn from a narrow range, the same for all kinds.
    """
    target = _varied(target, rng)
    frames = clip + rng.uniform(-0.5, 0.5, clip.shape)
    frames = _blurred(frames, target.fine_detail)
    grain = _gaussian(rng.standard_normal(frames.shape), GRAIN)
    grain /= grain.std()
    shown = own = _windowed(frames, target.levels)
    lacking = target.noise**2 - noise(own) ** 2
    variance = max(lacking, 0.0)  # of what is added
    for _ in range(ROUNDS if lacking > 0 else 0):
        shown = _windowed(frames + variance**0.5 * grain, target.levels)
        added = noise(shown) ** 2 - noise(own) ** 2
        variance *= float(np.clip(lacking / max(added, 1e-6), 0.25, 4))
    return np.round(shown).astype(np.uint8)


def cut(
    clip: UInt8[np.ndarray, "t h w"], num_frames: int, step: float, rng: np.random.Generator
) -> UInt8[np.ndarray, "n h w"]:
    """Return successive frames of a clip whose step from the last to the first is near a target.

    The target is drawn from a range above the one that is given.
    """
    wanted = step * np.exp(rng.uniform(0, 2 * SPREAD))
    steps = np.maximum(_closing_steps(clip, num_frames), 1e-3)
    start = int(np.argmin(np.abs(np.log(steps / wanted))))
    return clip[start : start + num_frames]


def _numbers(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    return connection.execute("SELECT id, kind FROM stimulus ORDER BY id").fetchall()


def _read(connection: sqlite3.Connection, study: Study, number: int) -> UInt8[np.ndarray, "t h w"]:
    (content,) = connection.execute(
        "SELECT pixels FROM stimulus WHERE id = ?", (number,)
    ).fetchone()
    return np.frombuffer(content, np.uint8).reshape(-1, study.size, study.size)


def _write(connection: sqlite3.Connection, number: int, clip: UInt8[np.ndarray, "t h w"]) -> None:
    content = np.ascontiguousarray(clip).tobytes()
    connection.execute("UPDATE stimulus SET pixels = ? WHERE id = ?", (content, number))


def _rng(study: Study, number: int) -> np.random.Generator:
    return np.random.default_rng((study.seed, abs(number), number < 0))


def _varied(target: Target, rng: np.random.Generator) -> Target:
    """Draw the target of one clip: a little noisier, more blurred, darker or brighter."""
    noisier, softer = rng.uniform(0, SPREAD, 2)
    gamma, contrast = np.exp(rng.uniform(-SPREAD, SPREAD, 2))
    shown = (np.clip(target.levels, 0, 255) / 255) ** gamma * min(contrast, 1.0)
    return target._replace(
        levels=255 * shown,
        fine_detail=target.fine_detail * (1 - softer),
        noise=target.noise * (1 + noisier),
    )


def _target(connection: sqlite3.Connection, study: Study) -> Target:
    """Choose what nearly all clips can be brought to by making them worse."""
    levels, fine_detail, noises = [], [], []
    for _, _, _, clip in clips(connection, study):
        frames = clip.astype(np.float32)
        levels.append(_levels(frames))
        fine_detail.append(detail(frames))
        noises.append(noise(frames))
    return Target(
        np.quantile(levels, DARK, axis=0),  # what is black cannot be lifted: nothing is in it
        float(np.quantile(fine_detail, 0.1)),
        float(np.quantile(noises, 0.9)),
        np.nan,
    )


def _common_step(connection: sqlite3.Connection, study: Study, num_frames: int) -> float:
    """Return the least step that about half of each kind's clips can have."""
    least: dict[str, list[float]] = {}
    for _, kind, _, clip in clips(connection, study):
        least.setdefault(kind, []).append(min(_closing_steps(clip, num_frames)))
    return max(float(np.median(own)) for own in least.values())


def _closing_steps(clip: UInt8[np.ndarray, "t h w"], num_frames: int) -> list[float]:
    """Return the step from the last to the first of every run of so many successive frames."""
    frames = clip.astype(np.float32)
    starts = range(len(frames) - num_frames + 1)
    return [relative_step(step_sizes(frames[start : start + num_frames])) for start in starts]


def _blurred(frames: Float[np.ndarray, "t h w"], fine_detail: float) -> Float[np.ndarray, "t h w"]:
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


def _levels(frames: Float[np.ndarray, "t h w"]) -> Float[np.ndarray, "q"]:
    return np.quantile(frames.ravel()[:: -(-frames.size // SAMPLE)], SHARES)


def _windowed(
    frames: Float[np.ndarray, "t h w"], levels: Float[np.ndarray, "q"]
) -> Float[np.ndarray, "t h w"]:
    """Change grey levels, their order kept, so that shares of pixels lie below those of a target.

    Where that would stretch what is nearly flat, it is stretched less, and the rest more.
    """
    own = np.maximum.accumulate(_levels(frames) + 1e-6 * SHARES)
    rises = np.minimum(np.diff(levels), MOST_GAIN * np.diff(own))
    curve = np.concatenate([[0.0], np.cumsum(rises)])
    curve = levels[0] + curve * ((levels[-1] - levels[0]) / max(curve[-1], 1e-6))
    return np.interp(frames, own, curve)
