"""Temporal super-resolution: codes between the frames of one video (GANcMRI, section 3.3.4)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gancmri_jax.latents.pca import pca_residual
from gancmri_jax.latents.steps import differences

MOTION_HARMONICS = 4  # of a beat


def transitions(
    ws: Float[Array, "m num_ws w_dim"], closed: bool = False
) -> Float[Array, "steps num_ws w_dim"]:
    """Return t_i→i+1 of one video: m − 1 of them, or m where the beat closes (w_m+1 = w_1)."""
    if closed:
        ws = jnp.concatenate([ws, ws[:1]])
    return differences(ws)


def clean_transitions(
    steps: Float[Array, "steps num_ws w_dim"], num_frames: int
) -> Float[Array, "steps num_ws w_dim"]:
    """Return t′ = t − tPCA⁻¹(tPCA(t)) with num_frames − 6 components, the paper's tPCA.

    Only four directions are left of m − 1 steps, and they sum to zero, so that codes read with t′
    return to w_1 and integer times no longer give the projected codes.

    Raises:
        ValueError: Fewer than 7 frames, which leave no component to take.
    """
    return pca_residual(steps, num_frames - 6)


def codes_at(
    first: Float[Array, "num_ws w_dim"],
    steps: Float[Array, "steps num_ws w_dim"],
    times: Float[Array, "h"],
) -> Float[Array, "h num_ws w_dim"]:
    """Return w_h for each h of `times`, frames counted from 1 as in the paper.

    w_h = w_1 + Σ_{i=1}^{⌊h⌋−1} t_i→i+1 + (h − ⌊h⌋) t_⌊h⌋→⌊h⌋+1. The printed upper limit ⌊h⌋
    contradicts the paper's own example of h = 4.5. An integer h gives the projected code itself
    where `steps` are the video's own transitions; the last h there is, steps + 1, reads no step.

    Raises:
        ValueError: An h outside [1, steps + 1].
    """
    if not bool(jnp.all((times >= 1) & (times <= len(steps) + 1))):
        raise ValueError(f"times must lie in [1, {len(steps) + 1}]")
    return read_at(first, steps, times)


@jax.jit
def read_at(
    first: Float[Array, "num_ws w_dim"],
    steps: Float[Array, "steps num_ws w_dim"],
    times: Float[Array, "h"],
) -> Float[Array, "h num_ws w_dim"]:
    """Return what `codes_at` does, of times that are known to lie in [1, steps + 1]."""
    offsets = jnp.concatenate([jnp.zeros_like(steps[:1]), jnp.cumsum(steps, axis=0)])
    before = jnp.minimum(jnp.floor(times).astype(int), len(steps))
    part = (times - before)[:, None, None]
    return first[None] + offsets[before - 1] + part * steps[before - 1]


def low_pass(
    ws: Float[Array, "m num_ws w_dim"], harmonics: int = MOTION_HARMONICS
) -> Float[Array, "m num_ws w_dim"]:
    """Return the codes of a closed beat with only its mean and first `harmonics` harmonics.

    What a projection adds to each frame by itself has all harmonics alike; motion has few.
    """
    spectrum = jnp.fft.rfft(ws, axis=0)
    kept = jnp.arange(len(spectrum)) <= harmonics
    return jnp.fft.irfft(jnp.where(kept[:, None, None], spectrum, 0), n=len(ws), axis=0)


def dense_times(num_frames: int, factor: int, closed: bool = False) -> Float[Array, "h"]:
    """Return the times of a video at `factor` times its frame rate, from 1 on.

    m frames become factor · (m − 1) + 1, or factor · m where the beat closes.
    """
    count = factor * num_frames if closed else factor * (num_frames - 1) + 1
    return 1 + jnp.arange(count) / factor
