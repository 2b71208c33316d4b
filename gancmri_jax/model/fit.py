"""What a study of projected cines teaches a model: its motion and its phenotype directions."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from gancmri_jax.errors import InputError
from gancmri_jax.latents import motions
from gancmri_jax.latents.codes import Codes
from gancmri_jax.latents.contraction import fit_contraction
from gancmri_jax.latents.directions import high_minus_low, orthogonalised, regression
from gancmri_jax.latents.smoothing import HARMONICS
from gancmri_jax.latents.steps import (
    differences,
    mean_ed_to_es,
    mean_steps,
    resample_cycle,
    retained_motion,
    roughness,
)
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import Motion, latent_motion, learned, motions_of

# Columns of phenotypes.csv that are no phenotypes of the ED frame.
_NOT_PHENOTYPES = ("ed_frame", "es_frame")
_FEWEST_BEATS = 5  # that teach how far into its beat a frame is
_UNITS = ("_ed_cm2", "_cm2", "_percent", "_bpm", "_ml", "_mm", "_ms")


class MotionFit(NamedTuple):
    """What a study teaches of motion.

    Attributes:
        trajectories: `ed_to_es` [num_ws w_dim] and, where whole videos are projected,
            `frame_to_frame` [num_frames − 1, num_ws, w_dim] and `aligned` [points num_ws w_dim];
            where there are enough of them, `conditioned` [r points num_ws w_dim] and
            `conditioned_axes` [1 + r, num_ws, w_dim], and `contraction` [2 num_ws w_dim].
        counts: How many videos each is learned from.
        contraction_explained: The part of contraction's variance that is foretold of beats left
            out; without any, contraction is left out itself.
    """

    trajectories: dict[str, Array]
    counts: dict[str, int]
    contraction_explained: float | None = None


def fit_motion(codes: Codes, num_frames: int = 50) -> MotionFit:
    """Learn k_ED→ES and the models of a beat (GANcMRI, sections 3.3.1 and 3.3.2).

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
    trajectories = {"ed_to_es": mean_ed_to_es(jnp.asarray(ed[pairs]), jnp.asarray(es[pairs]))}
    counts = {"ed_to_es": int(pairs.sum())}
    whole = [
        video
        for video, frames in enumerate(codes.num_frames)
        if frames > 2 and codes.valid[video, :frames].all()
    ]
    if not whole:
        return MotionFit(trajectories, counts)
    beats = jnp.stack([_from_ed(codes, video, num_frames) for video in whole])
    trajectories["frame_to_frame"] = mean_steps(beats)
    counts["frame_to_frame"] = len(whole)

    after_ed = (codes.es_frame - codes.ed_frame) % codes.num_frames
    es_frames = np.round(after_ed * num_frames / codes.num_frames).astype(int)[whole]
    beating = (es_frames > 0) & (es_frames < num_frames)
    beats, es_frames = beats[beating], es_frames[beating]
    points = 2 * min(HARMONICS, (num_frames - 1) // 2) + 1
    if beating.any():
        trajectories["aligned"] = motions.aligned(beats, es_frames, points).offsets
        counts["aligned"] = len(beats)
    if len(beats) >= motions.RANK + 2:
        found = motions.conditioned(beats, es_frames, points)
        trajectories["conditioned"] = found.responses  # to be added to `aligned`
        trajectories["conditioned_axes"] = jnp.concatenate([found.centre[None], found.axes])
        counts["conditioned"] = len(beats)
    explained = None
    if len(beats) >= _FEWEST_BEATS:
        contraction, explained = fit_contraction(beats, trajectories["ed_to_es"])
        if explained > 0:
            trajectories["contraction"] = jnp.stack(contraction)
            counts["contraction"] = len(beats)
    return MotionFit(trajectories, counts, explained)


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


def motion_figures(trajectories: Mapping[str, Array], num_frames: int = 50) -> dict[str, Figures]:
    """Measure every motion that these trajectories give."""
    figures = {}
    for name in motions_of(trajectories):
        motion = latent_motion(trajectories, Motion(name, num_frames))
        steps = differences(motion.offsets)
        kept = retained_motion(steps, learned(trajectories, "ed_to_es", "trajectories"))
        lengths = jnp.linalg.norm(steps.reshape(len(steps), -1), axis=1)
        closing = jnp.linalg.norm(motion.offsets[-1])  # the first offset is 0
        closure = float(closing / jnp.mean(lengths))
        figures[name] = Figures(kept.peak, kept.frame, closure, roughness(motion.offsets, True))
    return figures


def fit_directions(
    codes: Codes,
    phenotypes: Mapping[str, Mapping[str, float]],
    only: Sequence[str] = (),
    how: Literal["means", "regression"] = "means",
    orthogonal: bool = False,
) -> tuple[dict[str, Array], dict[str, int]]:
    """Learn a direction per phenotype from ED frames (GANcMRI, section 3.4).

    Args:
        codes: The study.
        phenotypes: By subject, then by column of phenotypes.csv.
        only: Names of the directions to learn; by default one for every column that has two values.
        how: High minus low, as the paper, or the slope of w over the value.
        orthogonal: Bring the directions to right angles with one another.

    Returns:
        Directions [num_ws w_dim] by name (`lv_area_ed_cm2` becomes `lv_area`), and the number of
        videos behind each.

    Raises:
        InputError: No subject has phenotypes, or a name in `only` is unknown or has no two values,
            or directions that are to be orthogonal are all but the same.
    """
    ws, valid = codes.at(codes.ed_frame)
    known = [v for v, subject in enumerate(codes.subjects) if valid[v] and subject in phenotypes]
    if not known:
        raise InputError(
            "no projected subject stands in the phenotype table; subjects must be named as in the "
            "records (see phenotypes.csv beside them)"
        )
    rows = [phenotypes[codes.subjects[v]] for v in known]
    names = {direction_name(c): c for c in rows[0] if c not in _NOT_PHENOTYPES}
    if unknown := sorted(set(only) - names.keys()):
        raise InputError(f"unknown phenotype {unknown[0]}; the table has {', '.join(names)}")
    learn = {"means": high_minus_low, "regression": regression}[how]
    directions, counts = {}, {}
    for name in only or names:
        values = np.array([row.get(names[name], np.nan) for row in rows])
        present = np.isfinite(values)
        if not only and len(set(values[present])) < 2:
            continue
        if present.sum() < 2:
            raise InputError(
                f"phenotype {name}: {present.sum()} of {len(rows)} projected subjects have a "
                "value; a direction needs two at least"
            )
        videos = np.array(known)[present]
        try:
            directions[name] = learn(jnp.asarray(ws[videos]), values[present])
        except ValueError as error:
            raise InputError(f"phenotype {name}: {error}") from error
        counts[name] = len(videos)
    if orthogonal and directions:
        try:
            upright = orthogonalised(jnp.stack(list(directions.values())))
        except ValueError as error:
            raise InputError(
                f"{', '.join(directions)}: {error}; name fewer, each with --phenotype"
            ) from error
        directions = dict(zip(directions, upright, strict=True))
    return directions, counts


def to_float16(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Round to half the size, as a model file keeps what was learned of many noisy codes.

    Rows that differ by less than that, as those learned from codes in W do, become alike.
    """
    rounded = {}
    for name, array in arrays.items():
        first = jnp.broadcast_to(array[..., :1, :], array.shape)
        apart, size = (jnp.abs(x).max(axis=(-2, -1), keepdims=True) for x in (array - first, array))
        rounded[name] = jnp.where(apart <= 2**-11 * size, first, array).astype(jnp.float16)
    return rounded


def with_fit(
    model: Model, trajectories: Mapping[str, Array], directions: Mapping[str, Array], note: dict
) -> Model:
    """Return the model with this motion, directions beside its own, and `note` on its card."""
    return dataclasses.replace(
        model,
        trajectories=dict(trajectories),
        directions={**model.directions, **directions},
        card={**model.card, "fit": note},
    )


def direction_name(column: str) -> str:
    """Return the direction's name for a phenotype's column: without the unit it ends in."""
    for unit in _UNITS:
        if column.endswith(unit):
            return column.removesuffix(unit)
    return column


def _from_ed(codes: Codes, video: int, num_frames: int) -> jax.Array:
    """Return a video's codes from its ED frame round the beat, at `num_frames` equal parts."""
    frames = int(codes.num_frames[video])
    ws = np.roll(codes.ws[video, :frames], -int(codes.ed_frame[video]), axis=0)
    return resample_cycle(jnp.asarray(ws), num_frames)
