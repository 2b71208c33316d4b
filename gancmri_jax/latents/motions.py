"""The table of motions: how a beat is learned from codes, and where it goes from its start.

A motion is a row of MOTIONS: `fit` learns from the codes of whole beats what a model file keeps,
and `path` goes from any start by it. GANcMRI, section 3.3, has `published`, `mean` and
`pca_residual`; a polynomial is what its discussion proposes.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gancmri_jax.latents.beats import Beats, Chunk, align_systole, common_es, mean_over
from gancmri_jax.latents.paths import ed_to_es_path
from gancmri_jax.latents.pca import PAPER_COMPONENTS
from gancmri_jax.latents.pca import pca_residual as residual_of
from gancmri_jax.latents.ridge import Pair, ridge
from gancmri_jax.latents.smoothing import (
    DEGREE,
    HARMONICS,
    fourier_smoother,
    polynomial_smoother,
    spline_smoother,
)
from gancmri_jax.latents.steps import resample_cycle

RANK = 3  # of the response to the start
_MOST_BYTES = 3 * 2**27  # of the products of starts and curves
MOST_SCORE = 2.0  # standard deviations: a start beyond the hearts learned from counts as this
FRAME_TO_FRAME, ED_TO_ES = "frame-to-frame", "ed-to-es"  # the paper's two methods
OWN = "own"  # of the heart that a model was tuned to, which it starts from

Code = Float[Array, "num_ws w_dim"]
Curve = Float[Array, "t num_ws w_dim"]


# What a model file keeps of motions. The arrays of all such types end in [num_ws w_dim], and
# `scaled` returns the same motion, so many times as far.


class EdToEs(NamedTuple):
    """The way from ED to ES (section 3.3.1)."""

    k: Code

    def scaled(self, gain: float) -> "EdToEs":
        """Go so many times as far."""
        return EdToEs(gain * self.k)


class MeanSteps(NamedTuple):
    """The mean steps from each frame to the next, from ED on (section 3.3.2)."""

    steps: Float[Array, "t-1 num_ws w_dim"]

    def scaled(self, gain: float) -> "MeanSteps":
        """Go so many times as far."""
        return MeanSteps(gain * self.steps)


class Aligned(NamedTuple):
    """A closed curve by an odd number of its points, at equal parts of the beat."""

    points: Float[Array, "points num_ws w_dim"]

    def scaled(self, gain: float) -> "Aligned":
        """Go so many times as far."""
        return Aligned(gain * self.points)


class Conditioned(NamedTuple):
    """A closed curve for each start.

    Attributes:
        responses: What a score of 1 along each axis adds to the curve.
        axes: The mean start, then the axes along which a start is scored, in standard deviations
            of the hearts learned from.
        points: The mean start's curve, as `Aligned` has it.
    """

    responses: Float[Array, "r points num_ws w_dim"]
    axes: Float[Array, "r+1 num_ws w_dim"]
    points: Float[Array, "points num_ws w_dim"]

    def scaled(self, gain: float) -> "Conditioned":
        """Go so many times as far from the same starts."""
        return Conditioned(gain * self.responses, self.axes, gain * self.points)


class Own(NamedTuple):
    """The beat of the one heart that a model was tuned to (`gancmri personalise`).

    Attributes:
        points: Its codes at equal parts of the beat, an odd number of them, from ED on.
    """

    points: Float[Array, "points num_ws w_dim"]

    def scaled(self, gain: float) -> "Own":
        """Go so many times as far from the same ED."""
        return Own(self.points[:1] + gain * (self.points - self.points[:1]))


def fit_ed_to_es(beats: Beats) -> EdToEs:
    """Keep k_ED→ES itself."""
    return EdToEs(beats.ed_to_es)


def fit_mean_steps(beats: Beats) -> MeanSteps:
    """Average the steps over hearts, frame by frame."""
    return MeanSteps(beats.mean(lambda chunk: np.diff(chunk.ws, axis=1)))


def fit_aligned(beats: Beats) -> Aligned:
    """Bring every heart's ES to the mean ES frame, average, and keep the first harmonics.

    Means of hearts that reach ES at different times blur systole.
    """
    common = common_es(beats.es_frames)
    return Aligned(beats.mean(lambda chunk: _aligned_points(chunk, common)))


def fit_conditioned(beats: Beats, rank: int = RANK) -> Conditioned:
    """Regress the aligned curve on its start, by ridge regression of reduced rank.

    The ridge is chosen by leaving out each heart in turn; the fit's strongest `rank` responses
    stay (Izenman 1975). Where layers have codes of their own, so that the products of starts and
    curves are larger than _MOST_BYTES, it learns from as many beats as fit, evenly among all.

    Raises:
        ValueError: There are fewer than `rank` + 2 hearts.
    """
    if len(beats) < rank + 2:
        raise ValueError(f"{rank} responses need {rank + 2} whole beats or more, got {len(beats)}")
    common = common_es(beats.es_frames)
    first = next(beats.chunks())
    curve = _aligned_points(Chunk(first.ws[:1], first.es_frames[:1]), common)[0]
    dimensions, numbers = curve[0].size, curve.size
    if 8 * dimensions * (dimensions + numbers) <= _MOST_BYTES:
        some = beats
    else:
        some = beats.spread(_MOST_BYTES // (8 * (dimensions + numbers)))

    def start_and_curve(chunk: Chunk) -> Float[np.ndarray, "v parts rows w_dim"]:
        return np.concatenate([chunk.ws[:, :1], _aligned_points(chunk, common)], axis=1)

    centre = mean_over(start_and_curve(chunk) for chunk in some.chunks())

    def pairs() -> Iterator[Pair]:
        for chunk in some.chunks():
            centred = start_and_curve(chunk) - centre
            yield centred[:, 0].reshape(-1, dimensions), centred[:, 1:].reshape(-1, numbers)

    axes, responses = ridge(pairs, len(some)).strongest(rank)
    num_ws, deviation = len(beats.ed_to_es), np.sqrt(1 / len(some))  # of scores along these axes
    rows = curve.shape[1]  # a score is a sum over all rows, where one may stand for them all
    scores = (axes.T / deviation * rows / num_ws).reshape(rank, rows, -1)

    def whole(array: Float[np.ndarray, "*r rows w_dim"]) -> Float[Array, "*r num_ws w_dim"]:
        shape = (*array.shape[:-2], num_ws, array.shape[-1])
        return jnp.asarray(np.broadcast_to(array, shape), jnp.float32)

    return Conditioned(
        whole((responses * deviation).reshape(rank, *curve.shape)),
        whole(np.concatenate([centre[:1], scores])),
        fit_aligned(beats).points,
    )


def published(kept: EdToEs, start: Code, num_frames: int) -> Curve:
    """Go from ED towards ES and back by the amounts of the authors' demo (section 3.3.1)."""
    return ed_to_es_path(jnp.zeros_like(kept.k), kept.k, num_frames)


def mean(kept: MeanSteps, start: Code, num_frames: int) -> Curve:
    """Add the mean steps up, closed to a cycle (section 3.3.2, uncleaned)."""
    return _from_first(resample_cycle(_mean_beat(kept), num_frames))


def pca_residual(
    kept: MeanSteps, start: Code, num_frames: int, components: int = PAPER_COMPONENTS
) -> Curve:
    """Clean the mean steps as the paper does, by what principal components leave over.

    Raises:
        ValueError: There are too few frames for the components.
    """
    steps = residual_of(kept.steps, components)
    return _from_first(resample_cycle(_mean_beat(MeanSteps(steps)), num_frames))


def fourier(kept: MeanSteps, start: Code, num_frames: int) -> Curve:
    """Fit sines and cosines of whole numbers of periods a beat."""
    beat = _mean_beat(kept)
    t = len(beat)
    return _from_first(
        _over_time(fourier_smoother(t, num_frames, min(HARMONICS, (t - 1) // 2)), beat)
    )


def spline(kept: MeanSteps, start: Code, num_frames: int) -> Curve:
    """Fit a periodic smoothing spline, as smooth as cross-validation of the mean beat says."""
    beat = _mean_beat(kept)
    return _from_first(_over_time(spline_smoother(beat, num_frames), beat))


def polynomial(kept: MeanSteps, start: Code, num_frames: int) -> Curve:
    """Regress w(t) − w(1) on polynomials of t that close the beat."""
    beat = _mean_beat(kept)
    smoother = polynomial_smoother(len(beat), num_frames, min(DEGREE, len(beat) - 1))
    return _from_first(_over_time(smoother, beat))


def aligned(kept: Aligned, start: Code, num_frames: int) -> Curve:
    """Read the curve."""
    return _read(kept.points, num_frames)


def conditioned(kept: Conditioned, start: Code, num_frames: int) -> Curve:
    """Read the curve of this start; far starts count as no more than MOST_SCORE."""
    scores = jnp.tensordot(  # [r]
        kept.axes[1:], start - kept.axes[0], axes=2, precision="highest"
    )
    scores = jnp.clip(scores, -MOST_SCORE, MOST_SCORE)
    added = jnp.tensordot(scores, kept.responses, axes=1, precision="highest")
    return _read(kept.points + added, num_frames)


def own(kept: Own, start: Code, num_frames: int) -> Curve:
    """Read the one heart's curve, from whatever start."""
    return _read(kept.points, num_frames)


class BeatModel(NamedTuple):
    """A row of the table.

    Attributes:
        about: What it is, in a line.
        kept: The type of what `fit` returns: a NamedTuple of arrays [.. num_ws w_dim] with a method
            `scaled`. Motions that keep the same type share it, and its first `fit`.
        fit: Learns from beats what is kept; None where no study of many hearts teaches it.
        path: (what is kept, a start at ED, a number of frames) → the beat's path from that start,
            less the start, so that it begins with 0.
        fewest: Whole beats that `fit` needs; 0 where k_ED→ES is enough.
        needs_es: `fit` gets only beats whose ES is another frame than ED.
        by_start: The path depends on its start, and says itself how far this heart moves, so that
            `LearnedMotion.log_depth` is not applied.
        method: The paper's name for motions of this kind.
        options: Fields of `Motion` that `path` takes too, by name.
        usable: Whether what is kept is enough for `path`.
    """

    about: str
    kept: type[Any]
    fit: Callable[[Beats], Any] | None
    path: Callable[..., Curve]
    fewest: int = 1
    needs_es: bool = False
    by_start: bool = False
    method: str = ""
    options: tuple[str, ...] = ()
    usable: Callable[[Any], bool] = lambda kept: True


MOTIONS = {
    "published": BeatModel(
        "from ED to ES and back, by the amounts of the authors' demo",
        EdToEs,
        fit_ed_to_es,
        published,
        fewest=0,
        method=ED_TO_ES,
    ),
    "mean": BeatModel(
        "mean steps from frame to frame, closed to a cycle",
        MeanSteps,
        fit_mean_steps,
        mean,
        method=FRAME_TO_FRAME,
    ),
    "pca_residual": BeatModel(
        "these steps cleaned by principal components, as published",
        MeanSteps,
        fit_mean_steps,
        pca_residual,
        options=("components",),
        usable=lambda kept: len(kept.steps) >= PAPER_COMPONENTS + 2,
    ),
    "fourier": BeatModel(
        "sines and cosines fitted to the mean beat", MeanSteps, fit_mean_steps, fourier
    ),
    "spline": BeatModel(
        "a periodic smoothing spline through the mean beat", MeanSteps, fit_mean_steps, spline
    ),
    "polynomial": BeatModel(
        "polynomials of time fitted to the mean beat", MeanSteps, fit_mean_steps, polynomial
    ),
    "aligned": BeatModel(
        "a mean of beats whose systoles are brought together first",
        Aligned,
        fit_aligned,
        aligned,
        needs_es=True,
        method=FRAME_TO_FRAME,
    ),
    "conditioned": BeatModel(
        "a beat according to the heart it starts from",
        Conditioned,
        fit_conditioned,
        conditioned,
        fewest=RANK + 2,
        needs_es=True,
        by_start=True,
    ),
    OWN: BeatModel("the beat of the heart that the model was tuned to", Own, None, own),
}


def _aligned_points(chunk: Chunk, common: int) -> Float[np.ndarray, "v points rows w_dim"]:
    """Return the few points that stand for each beat's first harmonics, from the first one on.

    Systoles are brought together first.
    """
    beats = align_systole(chunk.ws, chunk.es_frames, common)  # [v t rows w_dim]
    harmonics = min(HARMONICS, (beats.shape[1] - 1) // 2)
    smoother = fourier_smoother(beats.shape[1], 2 * harmonics + 1, harmonics)
    flat = beats.reshape(*beats.shape[:2], -1).astype(np.float64)
    points = (smoother - smoother[:1]) @ flat
    return points.reshape(len(beats), -1, *beats.shape[2:])


def _read(points: Float[Array, "points num_ws w_dim"], num_frames: int) -> Curve:
    smoother = fourier_smoother(len(points), num_frames, (len(points) - 1) // 2)
    return _from_first(_over_time(smoother, points))


def _mean_beat(kept: MeanSteps) -> Curve:
    return jnp.concatenate([jnp.zeros_like(kept.steps[:1]), jnp.cumsum(kept.steps, axis=0)])


def _from_first(path: Curve) -> Curve:
    return path - path[:1]


def _over_time(
    smoother: Float[np.ndarray, "num_frames t"], path: Curve
) -> Float[Array, "num_frames num_ws w_dim"]:
    return jnp.tensordot(jnp.asarray(smoother, jnp.float32), path, axes=1, precision="highest")
