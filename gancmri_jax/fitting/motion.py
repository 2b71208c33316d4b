"""What projected cines teach a model of motion, and how its motions go in latent space."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gancmri_jax.errors import InputError
from gancmri_jax.latents.codes import Codes
from gancmri_jax.latents.contraction import fit_contraction
from gancmri_jax.latents.motions import MOTIONS, Beats, Conditioned
from gancmri_jax.latents.steps import (
    differences,
    mean_ed_to_es,
    resample_cycle,
    retained_motion,
    roughness,
)
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


def fit_motion(codes: Codes, num_frames: int = 50) -> MotionFit:
    """Learn k_ED→ES and what every motion keeps (GANcMRI, sections 3.3.1 and 3.3.2).

    A video with another number of frames than `num_frames` is read at as many equal parts of its
    beat, along straight lines between its codes.

    Raises:
        InputError: No video has both its ED and its ES frame projected.
    """
    ed, ed_valid = codes.at(codes.ed_frame)
    es, es_valid = codes.at(codes.es_frame)
    pairs = ed_valid & es_valid & (codes.ed_frame != codes.es_frame)
    if not pairs.any():
        raise InputError(
            "no video has both its ED and its ES frame projected; project them with --frames ed-es"
        )
    whole = [
        video
        for video, frames in enumerate(codes.num_frames)
        if frames > 2 and codes.valid[video, :frames].all()
    ]
    ws = [_from_ed(codes, video, num_frames) for video in whole]
    after_ed = (codes.es_frame - codes.ed_frame) % codes.num_frames
    beats = Beats(
        jnp.stack(ws) if ws else jnp.zeros((0, num_frames, *codes.ws.shape[2:])),
        np.round(after_ed * num_frames / codes.num_frames).astype(int)[whole],
        mean_ed_to_es(jnp.asarray(ed[pairs]), jnp.asarray(es[pairs])),
    )
    with_es = beats.with_es()
    kept: dict[type, Any] = {}
    counts = {}
    for row in MOTIONS.values():
        given = with_es if row.needs_es else beats
        if row.fit is not None and row.kept not in kept and len(given.ws) >= row.fewest:
            kept[row.kept] = row.fit(given)
            counts[tensor_names(row.kept)[0]] = len(given.ws) if row.fewest else int(pairs.sum())
    contraction, r2 = None, None
    if len(with_es.ws) >= _FEWEST_BEATS:
        contraction, r2 = fit_contraction(with_es.ws, beats.ed_to_es)
        if r2 > 0:
            counts["contraction"] = len(with_es.ws)
        else:
            contraction = None
    motion = LearnedMotion(tuple(kept.values()), contraction)
    return MotionFit(motion, counts, len(whole), r2)


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


def _from_ed(codes: Codes, video: int, num_frames: int) -> jax.Array:
    """Return a video's codes from its ED frame round the beat, at `num_frames` equal parts."""
    frames = int(codes.num_frames[video])
    ws = np.roll(codes.ws[video, :frames], -int(codes.ed_frame[video]), axis=0)
    return resample_cycle(jnp.asarray(ws), num_frames)
