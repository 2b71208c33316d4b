"""Differences between projected frames, and what is left of the motion in their means.

Vukadinovic et al. 2023 (GANcMRI), sections 3.3.1 and 3.3.2.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def differences(ws: Float[Array, "*v t num_ws w_dim"]) -> Float[Array, "*v t-1 num_ws w_dim"]:
    """Return the steps from each frame to the next."""
    return ws[..., 1:, :, :] - ws[..., :-1, :, :]


@jax.jit
def mean_ed_to_es(
    ws_ed: Float[Array, "v num_ws w_dim"], ws_es: Float[Array, "v num_ws w_dim"]
) -> Float[Array, "num_ws w_dim"]:
    """Return k_ED→ES, the mean over subjects of ES minus ED (section 3.3.1)."""
    return jnp.mean(ws_es - ws_ed, axis=0)


@jax.jit
def mean_steps(ws: Float[Array, "v t num_ws w_dim"]) -> Float[Array, "t-1 num_ws w_dim"]:
    """Return every k_i→i+1, the mean over subjects of the steps (section 3.3.2)."""
    return jnp.mean(differences(ws), axis=0)


def roughness(ws: Float[Array, "t num_ws w_dim"], closed: bool = False) -> float:
    """Return how jerkily a path moves: its mean second difference over its mean first one.

    A steady walk has 0, and jitter alone, which is drawn anew in each frame, √3.

    Args:
        ws: At least three frames' codes.
        closed: The step from the last frame to the first is one too.
    """
    return float(_roughness(ws, closed))


@functools.partial(jax.jit, static_argnames="closed")
def _roughness(ws: Float[Array, "t num_ws w_dim"], closed: bool) -> Float[Array, ""]:
    steps = differences(jnp.concatenate([ws, ws[:1]]) if closed else ws)
    turns = differences(jnp.concatenate([steps, steps[:1]]) if closed else steps)
    lengths = [jnp.mean(jnp.linalg.norm(d.reshape(len(d), -1), axis=1)) for d in (turns, steps)]
    return lengths[0] / lengths[1]


@functools.partial(jax.jit, static_argnames="num_frames")
def resample_cycle(
    ws: Float[Array, "t num_ws w_dim"], num_frames: int
) -> Float[Array, "{num_frames} num_ws w_dim"]:
    """Read a closed path at `num_frames` equal steps of the beat, linearly between its points.

    The frame after the last is the first. With as many frames as there are, the path is unchanged.
    """
    position = jnp.arange(num_frames) * (len(ws) / num_frames)
    before = jnp.floor(position).astype(int)
    part = (position - before)[:, None, None]
    after = (before + 1) % len(ws)
    return (1 - part) * ws[before] + part * ws[after]


class RetainedMotion(NamedTuple):
    """How far accumulated steps go along k_ED→ES: 1 is all the way to ES.

    Attributes:
        peak: The farthest point's share of k_ED→ES.
        frame: The frame that is there, counted from 0.
    """

    peak: float
    frame: int


def retained_motion(
    steps: Float[Array, "steps num_ws w_dim"], ed_to_es: Float[Array, "num_ws w_dim"]
) -> RetainedMotion:
    """Measure how much of the way from ED to ES frame-to-frame steps keep.

    Differences amplify projection jitter, and cleaning them can take the beat away; this says how
    much of it is left.
    """
    travelled = np.asarray(_travelled(steps, ed_to_es))
    peak = int(np.argmax(travelled))
    return RetainedMotion(float(travelled[peak]), peak + 1)


@jax.jit
def _travelled(
    steps: Float[Array, "steps num_ws w_dim"], ed_to_es: Float[Array, "num_ws w_dim"]
) -> Float[Array, "steps"]:
    along = jnp.tensordot(steps, ed_to_es, axes=2, precision="highest")
    return jnp.cumsum(along / jnp.sum(jnp.square(ed_to_es)))
