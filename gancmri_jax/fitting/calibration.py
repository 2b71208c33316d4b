"""Scale a model's motion by measuring its hearts: codes from few steps move too little.

A search that ends early leaves codes near the mean w, and the mean of their differences is short
with them; and one motion takes as much from a small ventricle as from a large one. So motion is
scaled until the median heart's fractional area change is that of the hearts learned from, with a
correction for each heart by its code at ED.
"""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gancmri_jax.errors import InputError
from gancmri_jax.latents.linear import Linear, fit_linear
from gancmri_jax.latents.motions import FRAME_TO_FRAME
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import LearnedMotion, Motion
from gancmri_jax.physiology.guidance import measure_hearts

GAINS = np.array([0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0])
_FEWEST = 8  # hearts that teach how deep each moves


class Calibration(NamedTuple):
    """What was done to motion.

    Attributes:
        ed_to_es: What k_ED→ES was multiplied by.
        frame_to_frame: What the models of a beat were multiplied by; None where there are none.
        depth_explained: Cross-validated R² of the logarithm of hearts' own depths; None where it is
            0 or less, and all hearts move alike.
    """

    ed_to_es: float
    frame_to_frame: float | None
    depth_explained: float | None

    def __str__(self) -> str:
        text = f"ed_to_es × {self.ed_to_es:.2f}"
        if self.frame_to_frame is not None:
            text += f", frame_to_frame × {self.frame_to_frame:.2f}"
        if self.depth_explained is not None:
            text += f"; correction per heart: cross-validated R² = {self.depth_explained:.2f}"
        return text


def calibrate(
    model: Model, fac_percent: float, hearts: int = 32, seed: int = 2**20
) -> tuple[LearnedMotion, Calibration]:
    """Return the motion by which the model's hearts have this fractional area change.

    k_ED→ES comes first, for hearts start by it; then the models of a beat, all by the gain that
    the median heart needs by `frame-to-frame`; then what each heart needs more or less.

    Args:
        model: It has motion, a segmenter and its spacing.
        fac_percent: The fractional area change to reach, from ED to ES.
        hearts: Number of hearts to measure.
        seed: Of the first of them, far from those that people look at and measure.

    Raises:
        InputError: The model cannot measure hearts, or no gain gives this change.
    """
    ws = [model.sample(each) for each in range(seed, seed + hearts)]
    motion, ed_to_es = model.motion, model.motion.ed_to_es
    gains = jnp.asarray(GAINS, jnp.float32)[:, None, None, None]

    def starts_of(gain: float) -> Float[Array, "hearts num_ws w_dim"]:
        scaled = motion.scaled(gain, 1.0)
        return jnp.stack([scaled.at_ed(heart) for heart in ws])

    starts = jnp.stack([starts_of(gain) for gain in GAINS])
    found = _fac_percent(model, starts, starts + gains * ed_to_es[None, None])
    first = gain = _median_gain(found, fac_percent, "from ED to ES")

    farthest, whole = ed_to_es, FRAME_TO_FRAME in motion.methods
    starts = starts_of(first)
    if whole:
        offsets = motion.offsets(starts[0], Motion(FRAME_TO_FRAME))
        along = jnp.tensordot(offsets, ed_to_es, axes=2, precision="highest")
        farthest = offsets[int(jnp.argmax(along))]
    found = _fac_percent(model, starts[None], starts[None] + gains * farthest[None, None])
    if whole:
        gain = _median_gain(found, fac_percent, "over the beat")
    depth, explained = _fit_log_depth(starts, found, fac_percent, gain)
    scaled = dataclasses.replace(motion.scaled(first, gain), log_depth=depth)
    done = Calibration(
        ed_to_es=round(first, 4),
        frame_to_frame=round(gain, 4) if whole else None,
        depth_explained=None if explained is None else round(explained, 4),
    )
    return scaled, done


def _fit_log_depth(
    starts: Float[Array, "hearts num_ws w_dim"],
    found: Float[np.ndarray, "gains hearts"],
    fac_percent: float,
    gain: float,
) -> tuple[Linear, float] | tuple[None, None]:
    """Learn the logarithm of the gain that each heart needs, over this one, from its start.

    A heart that needs more or less than GAINS offers counts as needing the last of them, and a
    ventricle that is no longer found at a large gain as empty.

    Returns:
        The function and its cross-validated R²; None for both where R² is 0 or less.
    """
    known = np.isfinite(found[0])
    if known.sum() < _FEWEST:
        return None, None
    curves = np.maximum.accumulate(np.nan_to_num(found[:, known], nan=100.0), axis=0)
    own = np.array([np.interp(fac_percent, curve, GAINS) for curve in curves.T])
    depth, explained = fit_linear(starts[known], np.log(own / gain))
    return (depth, explained) if explained > 0 else (None, None)


def _fac_percent(
    model: Model,
    starts: Float[Array, "#gains hearts num_ws w_dim"],
    ends: Float[Array, "gains hearts num_ws w_dim"],
) -> Float[np.ndarray, "gains hearts"]:
    """Measure the fractional area change of each heart by each gain."""
    flat = jnp.concatenate([x.reshape(-1, *x.shape[2:]) for x in (starts, ends)])
    areas = measure_hearts(model, flat)["lv_area_ed_cm2"]
    split = starts.shape[0] * starts.shape[1]
    ed, es = areas[:split].reshape(starts.shape[:2]), areas[split:].reshape(ends.shape[:2])
    return 100 * (1 - es / ed)


def _median_gain(found: Float[np.ndarray, "gains hearts"], fac_percent: float, what: str) -> float:
    """Return the gain by which the median heart has this fractional area change.

    Raises:
        InputError: No gain gives it.
    """
    finite = [row[np.isfinite(row)] for row in found]
    medians = np.array([np.median(row) if len(row) else np.nan for row in finite])
    gain = _gain(medians, fac_percent)
    if np.isnan(gain):
        raise InputError(
            f"no gain gives a fractional area change of {fac_percent:.0f} % {what}: gains of "
            f"{GAINS[0]:g} to {GAINS[-1]:g} give {np.nanmin(medians):.0f} to "
            f"{np.nanmax(medians):.0f} %"
        )
    return gain


def _gain(found: Float[np.ndarray, "gains"], fac_percent: float) -> float:
    """Interpolate GAINS where the change reaches `fac_percent`; NaN where it never does."""
    passed = np.flatnonzero((found[:-1] < fac_percent) & (fac_percent <= found[1:]))
    if not len(passed):
        return np.nan
    left = passed[0]
    part = (fac_percent - found[left]) / (found[left + 1] - found[left])
    return float(GAINS[left] + part * (GAINS[left + 1] - GAINS[left]))
