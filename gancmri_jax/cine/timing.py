"""Time between the frames of a cine: what stamps say of it, and whether a heart could beat so.

What is not plausible is unknown: a heart rate, a model's card and a DICOM file are made from it.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from gancmri_jax.cine.cine import Cine

RATE_BPM = (25.0, 220.0)  # between which human hearts beat
FEWEST_FRAMES = 8  # with fewer, a series is hardly a whole beat
LEAST_STEP_MS = 15.0  # of scanners: a short series of such steps is part of a beat
UNEVEN = 0.25  # of the median step: scanners round, and retrospective gating varies
GAP = 1.5  # median steps: a phase is missing
SEVERAL_BEATS = 1.5  # nominal beats
FEWEST_FOR_TWO_BEATS = 16
COARSE = 16
REPEATED = 0.2  # of the largest difference between frames: half a series later all is as before


@dataclasses.dataclass(frozen=True)
class Timing:
    """Time between frames, None where it is unknown, and what to say of it."""

    frame_ms: float | None
    notes: tuple[str, ...] = ()


def from_stamps(times_ms: Sequence[float], beat_ms: float | None = None) -> Timing:
    """Return the time between frames that have rising time stamps.

    Args:
        times_ms: At least two, in order; equal ones are taken for rounded.
        beat_ms: Length of a beat, where the source says it.
    """
    times = _spread_ties(np.asarray(times_ms, np.float64))
    steps = np.diff(times)
    step = float(np.median(steps))
    if step <= 0:
        return Timing(None, ("time stamps stand still, so time is unknown",))
    notes: list[str] = []
    frame_ms: float | None = step
    gaps = [i for i, value in enumerate(steps) if value > GAP * step]
    others = np.delete(steps, gaps)
    if gaps and 4 * len(gaps) <= len(steps) and (abs(others - step) <= UNEVEN * step).all():
        missing = sum(round(steps[i] / step) - 1 for i in gaps)
        notes.append(
            f"{missing} phase{'s are' if missing > 1 else ' is'} missing: steps of {step:.4g} ms, "
            f"but {steps[gaps[0]]:.4g} ms after frame {gaps[0]}"
        )
    elif (abs(steps - step) > UNEVEN * step).any():
        frame_ms = float(steps.mean())
        notes.append(
            f"frames are uneven in time: steps of {steps.min():.4g} to {steps.max():.4g} ms, "
            f"{frame_ms:.4g} ms in the mean"
        )
    span_ms = float(times[-1] - times[0]) + step
    if beat_ms and RATE_BPM[0] <= 60_000 / beat_ms <= RATE_BPM[1]:
        if span_ms > SEVERAL_BEATS * beat_ms:
            notes.append(
                f"frames span {span_ms:.0f} ms, {span_ms / beat_ms:.1f} beats of {beat_ms:.0f} ms, "
                "so time is unknown; keep one beat"
            )
            frame_ms = None
    return Timing(frame_ms, tuple(notes))


def from_beat(beat_ms: float | None, num_frames: int, num_phases: int | None = None) -> Timing:
    """Return the time between frames that divide a beat.

    Args:
        beat_ms: Length of the beat, None where it is not known.
        num_frames: Frames there are.
        num_phases: Frames the beat had on the scanner, where that is known.
    """
    phases = max(num_frames, num_phases or 0)
    notes: tuple[str, ...] = ()
    if phases > num_frames:
        missing = phases - num_frames
        notes = (f"{missing} of {phases} phases {'is' if missing == 1 else 'are'} missing",)
    return Timing(beat_ms / phases if beat_ms else None, notes)


def checked(cine: Cine) -> Cine:
    """Return a cine whose time is plausible or unknown, with notes on what is not as it should be.

    The step of a series that is no whole beat is kept; its heart rate is unknown.
    """
    notes, frame_ms, num_frames = [], cine.frame_ms, len(cine.pixels)
    few = num_frames < FEWEST_FRAMES
    if few:
        notes.append(f"only {num_frames} frames, hardly a whole beat")
    if frame_ms is not None and not math.isfinite(frame_ms):
        frame_ms = None
    if frame_ms is not None:
        rate = 60_000 / (frame_ms * num_frames) if frame_ms > 0 else math.inf
        if rate > RATE_BPM[1] and frame_ms >= LEAST_STEP_MS:
            if num_frames >= FEWEST_FRAMES:
                notes.append(f"frames span {frame_ms * num_frames:.0f} ms, no whole beat")
        elif not RATE_BPM[0] <= rate <= RATE_BPM[1] and not (few and rate > RATE_BPM[1]):
            notes.append(
                f"{num_frames} frames of {frame_ms:.4g} ms would be {rate:.3g} beats a minute, "
                f"outside {RATE_BPM[0]:g} to {RATE_BPM[1]:g}, so time is unknown"
            )
            frame_ms = None
    if frame_ms is None and not any("time is unknown" in n for n in (*cine.notes, *notes)):
        notes.append("the time between frames is unknown")
    if _repeats(cine):
        notes.append("looks like two beats, the second half as the first; time is unknown")
        frame_ms = None
    return dataclasses.replace(cine, frame_ms=frame_ms, notes=(*cine.notes, *notes))


def heart_rate_bpm(frame_ms: float | None, num_frames: int) -> float | None:
    """Return beats a minute of a cine that is one beat, None where no heart beats so."""
    if not frame_ms or num_frames < 2:
        return None
    rate = 60_000 / (frame_ms * num_frames)
    return rate if RATE_BPM[0] <= rate <= RATE_BPM[1] else None


def _spread_ties(times: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Move equal neighbours apart, into the wider of the steps before and after them."""
    times, first = times.copy(), 0
    while first < len(times):
        last = int(np.flatnonzero(times == times[first])[-1])
        if last > first:
            before = times[first] - times[first - 1] if first else 0.0
            after = times[last + 1] - times[last] if last + 1 < len(times) else 0.0
            shares = np.arange(last - first + 1) / (last - first + 1)
            spread = after * shares if after >= before else -before * shares[::-1]
            times[first : last + 1] += spread
        first = last + 1
    return times


def _repeats(cine: Cine) -> bool:
    """Tell whether half a series later every frame is as it was, though frames change within."""
    num_frames = len(cine.pixels)
    if num_frames < FEWEST_FOR_TWO_BEATS or num_frames % 2:
        return False
    height, width = cine.pixels.shape[1:]
    if min(height, width) < COARSE:
        return False
    # A few pixels do: the motion of a heart is larger than the steps between them.
    coarse = cine.pixels[:, :: height // COARSE, :: width // COARSE].astype(np.float32)
    half = abs(coarse - np.roll(coarse, num_frames // 2, 0)).mean()
    largest = max(
        abs(coarse - np.roll(coarse, shift, 0)).mean() for shift in range(2, num_frames // 2)
    )
    return bool(largest > 0 and half < REPEATED * largest)
