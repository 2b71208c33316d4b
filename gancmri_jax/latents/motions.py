"""Models of a beat in latent space, each a pure function with one signature.

(ws [v t num_ws w_dim], es_frames [v], num_frames) → LatentMotion: from the codes of v beats, each
from its ED frame on and closed (frame t + 1 is frame 1), to what `path_from` turns into a path.
GANcMRI, section 3.3, has `published` and `pca_residual`; a polynomial is its discussion's wish.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gancmri_jax.latents.linear import Linear
from gancmri_jax.latents.paths import ed_to_es_path
from gancmri_jax.latents.pca import PAPER_COMPONENTS
from gancmri_jax.latents.pca import pca_residual as residual_of
from gancmri_jax.latents.ridge import ridge
from gancmri_jax.latents.smoothing import (
    DEGREE,
    HARMONICS,
    fourier_smoother,
    polynomial_smoother,
    spline_smoother,
)
from gancmri_jax.latents.steps import differences, mean_ed_to_es, resample_cycle

Beats = Float[Array, "v t num_ws w_dim"]
Frames = Int[np.ndarray, "v"]

RANK = 3  # of the response to the start
MOST_SCORE = 2.0  # standard deviations: a start beyond the hearts learned from counts as this
MOST_DEPTH = 2.0  # times the median heart's; the least is its reciprocal


class LatentMotion(NamedTuple):
    """Where a beat goes from its start: for all starts alike, or according to them.

    Attributes:
        offsets: From the first frame, at equal parts of the beat; the first is 0.
        centre, axes: The mean start, and the axes along which a start is scored, in standard
            deviations of the hearts learned from; none where all hearts move alike.
        responses: What a score of 1 along each axis adds to the offsets.
        log_depth: Of a start, the logarithm of what its offsets are multiplied by; None for 0.
    """

    offsets: Float[Array, "t num_ws w_dim"]
    centre: Float[Array, "num_ws w_dim"]
    axes: Float[Array, "r num_ws w_dim"]
    responses: Float[Array, "r t num_ws w_dim"]
    log_depth: Linear | None = None


def path_from(
    motion: LatentMotion, start: Float[Array, "num_ws w_dim"]
) -> Float[Array, "t num_ws w_dim"]:
    """Return the path of a beat from its start at end-diastole."""
    scores = jnp.tensordot(motion.axes, start - motion.centre, axes=2)  # [r]
    scores = jnp.clip(scores, -MOST_SCORE, MOST_SCORE)
    offsets = motion.offsets + jnp.tensordot(scores, motion.responses, axes=1)
    if motion.log_depth is not None:
        depth = jnp.exp(motion.log_depth.of(start))
        offsets = offsets * jnp.clip(depth, 1 / MOST_DEPTH, MOST_DEPTH)
    return start[None] + offsets


def alike(path: Float[Array, "t num_ws w_dim"]) -> LatentMotion:
    """Return the motion that goes this path from any start."""
    row = path.shape[1:]
    return LatentMotion(
        path - path[:1], jnp.zeros(row), jnp.zeros((0, *row)), jnp.zeros((0, len(path), *row))
    )


def published(ws: Beats, es_frames: Frames, num_frames: int) -> LatentMotion:
    """Go from ED towards ES and back by the amounts of the authors' demo (section 3.3.1)."""
    ed_to_es = mean_ed_to_es(ws[:, 0], ws[np.arange(len(ws)), es_frames])
    return alike(ed_to_es_path(jnp.zeros_like(ed_to_es), ed_to_es, num_frames))


def mean(ws: Beats, es_frames: Frames, num_frames: int) -> LatentMotion:
    """Average the beats, frame by frame: closed means of the steps (section 3.3.2, uncleaned)."""
    return alike(resample_cycle(jnp.mean(ws, axis=0), num_frames))


def pca_residual(
    ws: Beats, es_frames: Frames, num_frames: int, num_components: int = PAPER_COMPONENTS
) -> LatentMotion:
    """Clean the mean steps as the paper does, by what principal components leave over.

    Raises:
        ValueError: There are too few frames for the components.
    """
    steps = residual_of(differences(jnp.mean(ws, axis=0)), num_components)
    path = jnp.concatenate([jnp.zeros_like(steps[:1]), jnp.cumsum(steps, axis=0)])
    return alike(resample_cycle(path, num_frames))


def fourier(ws: Beats, es_frames: Frames, num_frames: int) -> LatentMotion:
    """Fit sines and cosines of whole numbers of periods a beat to all beats."""
    t = ws.shape[1]
    smoother = fourier_smoother(t, num_frames, min(HARMONICS, (t - 1) // 2))
    return alike(_over_time(smoother, jnp.mean(ws, axis=0)))


def read_curve(points: Float[Array, "points num_ws w_dim"], num_frames: int) -> LatentMotion:
    """Read a closed curve of sines and cosines that an odd number of its points stands for."""
    smoother = fourier_smoother(len(points), num_frames, (len(points) - 1) // 2)
    return alike(_over_time(smoother, points))


def spline(ws: Beats, es_frames: Frames, num_frames: int) -> LatentMotion:
    """Fit a periodic smoothing spline, as smooth as cross-validation of the mean beat says."""
    path = jnp.mean(ws, axis=0)
    return alike(_over_time(spline_smoother(path, num_frames), path))


def polynomial(ws: Beats, es_frames: Frames, num_frames: int) -> LatentMotion:
    """Regress w(t) − w(1) on polynomials of t that close the beat."""
    path = jnp.mean(ws, axis=0)
    smoother = polynomial_smoother(len(path), num_frames, min(DEGREE, len(path) - 1))
    return alike(_over_time(smoother, path - path[:1]))


def aligned(ws: Beats, es_frames: Frames, num_frames: int) -> LatentMotion:
    """Bring every heart's ES to the mean ES frame before averaging, then fit as `fourier` does.

    Means of hearts that reach ES at different times blur systole.
    """
    return fourier(align_systole(ws, es_frames), es_frames, num_frames)


def conditioned(ws: Beats, es_frames: Frames, num_frames: int, rank: int = RANK) -> LatentMotion:
    """Regress the aligned path on its start, by ridge regression of reduced rank.

    The ridge is what leaving each heart out in turn says; the fit's strongest `rank` responses
    stay (Izenman 1975).

    Raises:
        ValueError: There are fewer than `rank` + 2 hearts.
    """
    if len(ws) < rank + 2:
        raise ValueError(f"{rank} responses need {rank + 2} whole beats or more, got {len(ws)}")
    beats = align_systole(ws, es_frames)
    each = [fourier(beats[v : v + 1], es_frames[v : v + 1], num_frames) for v in range(len(ws))]
    offsets = jnp.stack([motion.offsets for motion in each])  # [v num_frames n d]
    starts = ws[:, 0].reshape(len(ws), -1)
    centre, mean_offsets = jnp.mean(starts, axis=0), jnp.mean(offsets, axis=0)
    x = np.asarray(starts - centre[None], np.float64)  # [v n·d]
    y = np.asarray(offsets - mean_offsets[None], np.float64).reshape(len(ws), -1)
    gram = x @ x.T
    weights = ridge(gram, y).weights
    _, _, right = np.linalg.svd(gram @ weights, full_matrices=False)
    axes = x.T @ (weights @ right[:rank].T)  # [n·d r]
    spread = (x @ axes).std(axis=0)
    responses = right[:rank] * spread[:, None]
    return LatentMotion(
        mean_offsets,
        centre.reshape(ws.shape[2:]),
        jnp.asarray((axes / spread).T.reshape(rank, *ws.shape[2:]), jnp.float32),
        jnp.asarray(responses.reshape(rank, *mean_offsets.shape), jnp.float32),
    )


def align_systole(ws: Beats, es_frames: Frames) -> Beats:
    """Read each beat so that its ES falls on the mean ES frame, evenly before it and after it."""
    t = ws.shape[1]
    common = round(float(np.mean(es_frames)))
    frames = np.arange(t)

    def read(path: Float[Array, "t num_ws w_dim"], es_frame: Float[Array, ""]):
        at = jnp.interp(frames, jnp.array([0, common, t]), jnp.stack([0, es_frame, t]))
        before = jnp.minimum(jnp.floor(at).astype(int), t - 1)
        part = (at - before)[:, None, None]
        return (1 - part) * path[before] + part * path[(before + 1) % t]

    return jax.vmap(read)(ws, jnp.asarray(es_frames, jnp.float32))


def _over_time(
    smoother: Float[np.ndarray, "num_frames t"], path: Float[Array, "t *code"]
) -> Float[Array, "num_frames *code"]:
    return jnp.tensordot(jnp.asarray(smoother, jnp.float32), path, axes=1)
