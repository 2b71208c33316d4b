"""What projected cines teach a model of motion, and how its motions go in latent space."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from gancmri_jax.errors import InputError
from gancmri_jax.latents.beats import Beats, mean_over, read_between
from gancmri_jax.latents.codes import ChunkedCodes, Codes, chunked
from gancmri_jax.latents.contraction import MOST_BEATS, fit_contraction
from gancmri_jax.latents.motions import MOTIONS, Conditioned
from gancmri_jax.latents.steps import differences, retained_motion, roughness
from gancmri_jax.model.motion import LearnedMotion, Motion, tensor_names

_FEWEST_BEATS = 5  # that teach how far into its beat a frame is


class MotionFit(NamedTuple):
    """What a study teaches of motion.

    Attributes:
        motion: What was learned.
        counts: How many videos each part of it was learned from, by its name in a model file.
        whole_beats: How many videos have all their frames projected.
        contraction_r2: Cross-validated R² of contraction, over beats; None where there are too few
            beats. Where it is 0 or less, contraction is left out.
    """

    motion: LearnedMotion
    counts: dict[str, int]
    whole_beats: int
    contraction_r2: float | None = None


def fit_motion(codes: Codes | ChunkedCodes, num_frames: int = 50) -> MotionFit:
    """Learn k_ED→ES and what every motion keeps (GANcMRI, sections 3.3.1 and 3.3.2).

    A video with another number of frames than `num_frames` is read at as many equal parts of its
    beat, along straight lines between its codes.

    Args:
        codes: In memory, or read in chunks: several passes, with memory for a chunk alone.
        num_frames: Frames of a beat.

    Raises:
        InputError: No video has both its ED and its ES frame projected.
    """
    codes = chunked(codes)
    pairs = codes.valid_at(codes.ed_frame) & codes.valid_at(codes.es_frame)
    pairs &= codes.ed_frame != codes.es_frame
    if not pairs.any():
        raise InputError(
            "no video has both its ED and its ES frame projected; project them with --frames ed-es"
        )
    after = np.arange(codes.valid.shape[1]) >= codes.num_frames[:, None]
    whole = np.flatnonzero((codes.num_frames > 2) & (codes.valid | after).all(axis=1))
    beats = _beats_of(codes.take(whole), num_frames, _mean_ed_to_es(codes, pairs))
    with_es = beats.with_es()
    kept: dict[type, Any] = {}
    counts = {}
    for row in MOTIONS.values():
        given = with_es if row.needs_es else beats
        if row.fit is not None and row.kept not in kept and len(given) >= row.fewest:
            kept[row.kept] = row.fit(given)
            counts[tensor_names(row.kept)[0]] = len(given) if row.fewest else int(pairs.sum())
    contraction, r2 = None, None
    if len(with_es) >= _FEWEST_BEATS:
        contraction, r2 = fit_contraction(with_es.spread(MOST_BEATS).together(), beats.ed_to_es)
        if r2 > 0:
            counts["contraction"] = len(with_es)
        else:
            contraction = None
    motion = LearnedMotion(tuple(kept.values()), contraction)
    return MotionFit(motion, counts, len(whole), r2)


def _mean_ed_to_es(
    codes: ChunkedCodes, pairs: Bool[np.ndarray, "video"]
) -> Float[Array, "num_ws w_dim"]:
    """Return the mean of ES minus ED over these videos."""

    def steps() -> Iterator[Float[np.ndarray, "some rows w_dim"]]:
        for chunk in codes.take(np.flatnonzero(pairs)).chunks():
            yield chunk.at(chunk.es_frame)[0] - chunk.at(chunk.ed_frame)[0]

    mean = mean_over(steps())
    return jnp.asarray(np.broadcast_to(mean, (codes.num_ws, mean.shape[1])), jnp.float32)


def _beats_of(
    codes: ChunkedCodes, num_frames: int, ed_to_es: Float[Array, "num_ws w_dim"]
) -> Beats:
    """Return whole videos from their ED frames round the beat, at `num_frames` equal parts."""

    def read() -> Iterator[Float[np.ndarray, "v t rows w_dim"]]:
        for chunk in codes.chunks():
            steps = np.arange(num_frames) * (chunk.num_frames[:, None] / num_frames)
            yield read_between(chunk.ws, chunk.ed_frame[:, None] + steps, chunk.num_frames)

    after_ed = (codes.es_frame - codes.ed_frame) % codes.num_frames
    es_frames = np.round(after_ed * num_frames / codes.num_frames).astype(int)
    return Beats(read, num_frames, es_frames, ed_to_es)


class Figures(NamedTuple):
    """What a motion keeps and how it goes, in latent space, from the mean start.

    Attributes:
        peak, frame: The farthest point along k_ED→ES, as a share of it, and its frame from 0.
        closure: The step from the last frame to the first over the mean step: about 1 where a beat
            closes.
        roughness: Mean second difference over mean first: 0 is steady, √3 jitter alone.
    """

    peak: float
    frame: int
    closure: float
    roughness: float


def motion_figures(motion: LearnedMotion, num_frames: int = 50) -> dict[str, Figures]:
    """Measure every motion that a model has learned."""
    if not (names := motion.names):
        return {}
    conditioned = motion.of(Conditioned)  # which alone keeps the mean start
    start = jnp.zeros_like(motion.ed_to_es) if conditioned is None else conditioned.axes[0]
    figures = {}
    for name in names:
        offsets = motion.offsets(start, Motion(name, num_frames))
        steps = differences(offsets)
        kept = retained_motion(steps, motion.ed_to_es)
        lengths = jnp.linalg.norm(steps.reshape(len(steps), -1), axis=1)
        closing = jnp.linalg.norm(offsets[-1])  # the first offset is 0
        closure = float(closing / jnp.mean(lengths))
        figures[name] = Figures(kept.peak, kept.frame, closure, roughness(offsets, True))
    return figures
