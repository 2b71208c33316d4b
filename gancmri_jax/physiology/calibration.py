"""How far a model's hearts are moved, set by measuring: codes found in few steps move too little.

A search that ends early leaves codes near the mean w, and the mean of their differences is short
with them. The gain by which motion is lengthened is found so that fractional area change is that
of the hearts learned from.
"""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gancmri_jax.errors import InputError
from gancmri_jax.latents.paths import start_at_ed
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import Motion, latent_motion, learned
from gancmri_jax.physiology.guidance import measure_hearts

GAINS = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0])


class Gains(NamedTuple):
    """What trajectories were multiplied by: k_ED→ES, and the models of a beat."""

    ed_to_es: float
    frame_to_frame: float | None


def calibrate(model: Model, fac_percent: float, hearts: int = 8) -> tuple[Model, Gains]:
    """Return the model with motion so long that the median heart has this fractional area change.

    k_ED→ES comes first, for hearts start by it; then the models of a beat, all by the gain that
    `frame-to-frame` needs.

    Args:
        model: It has motion, a segmenter and its spacing.
        fac_percent: What is wanted, from ED to ES.
        hearts: How many, of seeds 0, 1, …, are measured.

    Raises:
        InputError: The model cannot measure hearts, or no gain gives what is wanted.
    """
    ws = jnp.stack([model.sample(seed) for seed in range(hearts)])
    ed_to_es = learned(model.trajectories, "ed_to_es", "trajectories")
    starts, ends = zip(
        *[_starts_and_ends(ws, gain * ed_to_es, gain * ed_to_es) for gain in GAINS], strict=True
    )
    first = _gain(model, jnp.stack(starts), jnp.stack(ends), fac_percent, "from ED to ES")
    scaled = dict(model.trajectories)
    scaled["ed_to_es"] = first * ed_to_es
    if "frame_to_frame" not in scaled:
        return dataclasses.replace(model, trajectories=scaled), Gains(first, None)
    offsets = latent_motion(model.trajectories, Motion("frame-to-frame")).offsets
    offset = offsets[int(jnp.argmax(jnp.tensordot(offsets, ed_to_es, axes=2)))]
    starts, ends = zip(
        *[_starts_and_ends(ws, scaled["ed_to_es"], gain * offset) for gain in GAINS], strict=True
    )
    then = _gain(model, jnp.stack(starts), jnp.stack(ends), fac_percent, "from frame to frame")
    for name in ("frame_to_frame", "aligned", "conditioned"):
        if name in scaled:
            scaled[name] = then * learned(scaled, name, "trajectories")
    return dataclasses.replace(model, trajectories=scaled), Gains(first, then)


def _starts_and_ends(
    ws: Float[Array, "hearts num_ws w_dim"],
    ed_to_es: Float[Array, "num_ws w_dim"],
    offset: Float[Array, "num_ws w_dim"],
) -> tuple[Float[Array, "hearts num_ws w_dim"], Float[Array, "hearts num_ws w_dim"]]:
    starts = jnp.stack([start_at_ed(heart, ed_to_es) for heart in ws])
    return starts, starts + offset[None]


def _gain(
    model: Model,
    starts: Float[Array, "gains hearts num_ws w_dim"],
    ends: Float[Array, "gains hearts num_ws w_dim"],
    fac_percent: float,
    what: str,
) -> float:
    """Return the gain at which the median heart's area changes as wanted, between GAINS."""
    shape = starts.shape[:2]
    both = jnp.concatenate([starts, ends]).reshape(-1, *starts.shape[2:])
    areas = measure_hearts(model, both)
    ed, es = areas["lv_area_ed_cm2"].reshape(2, *shape)
    found = np.array([_median_percent(a, b) for a, b in zip(ed, es, strict=True)])
    passed = np.flatnonzero((found[:-1] < fac_percent) & (fac_percent <= found[1:]))
    if not len(passed):
        raise InputError(
            f"no gain gives a fractional area change of {fac_percent:.0f} % {what}: gains of "
            f"{GAINS[0]:g} to {GAINS[-1]:g} give {np.nanmin(found):.0f} to {np.nanmax(found):.0f} %"
        )
    left = passed[0]
    part = (fac_percent - found[left]) / (found[left + 1] - found[left])
    return float(GAINS[left] + part * (GAINS[left + 1] - GAINS[left]))


def _median_percent(ed: Float[np.ndarray, "n"], es: Float[np.ndarray, "n"]) -> float:
    change = 100 * (1 - es / ed)
    change = change[np.isfinite(change)]
    return float(np.median(change)) if len(change) else np.nan
