"""What a study of projected cines teaches a model: its motion and its phenotype directions."""

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from gancmri_jax.errors import InputError
from gancmri_jax.latents.codes import Codes
from gancmri_jax.latents.directions import high_minus_low
from gancmri_jax.latents.steps import mean_ed_to_es, mean_steps, resample_cycle
from gancmri_jax.model.model import Model

# Columns of phenotypes.csv that are no phenotypes of the ED frame.
_NOT_PHENOTYPES = ("ed_frame", "es_frame")
_UNITS = ("_ed_cm2", "_cm2", "_percent", "_bpm", "_ml", "_mm", "_ms")


def fit_motion(codes: Codes, num_frames: int = 50) -> tuple[dict[str, Array], dict[str, int]]:
    """Learn k_ED→ES and the frame-to-frame steps (GANcMRI, sections 3.3.1 and 3.3.2).

    A video with another number of frames than `num_frames` is read at as many equal parts of its
    beat, along straight lines between its codes.

    Returns:
        `ed_to_es` [num_ws w_dim] and, where whole videos are projected, `frame_to_frame`
        [num_frames − 1, num_ws, w_dim]; and how many videos each is the mean of.

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
        _from_ed(codes, video, num_frames)
        for video, frames in enumerate(codes.num_frames)
        if frames > 2 and codes.valid[video, :frames].all()
    ]
    if whole:
        trajectories["frame_to_frame"] = mean_steps(jnp.stack(whole))
        counts["frame_to_frame"] = len(whole)
    return trajectories, counts


def fit_directions(
    codes: Codes, phenotypes: Mapping[str, Mapping[str, float]], only: Sequence[str] = ()
) -> tuple[dict[str, Array], dict[str, int]]:
    """Learn a direction per phenotype from ED frames: high minus low (GANcMRI, section 3.4).

    Args:
        codes: The study.
        phenotypes: By subject, then by column of phenotypes.csv.
        only: Names of the directions to learn; by default one for every column that has two values.

    Returns:
        Directions [num_ws w_dim] by name (`lv_area_ed_cm2` becomes `lv_area`), and the number of
        videos behind each.

    Raises:
        InputError: No subject has phenotypes, or a name in `only` is unknown or has no two values.
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
    directions, counts = {}, {}
    for name in only or names:
        values = np.array([row.get(names[name], np.nan) for row in rows])
        present = np.isfinite(values)
        if not only and len(set(values[present])) < 2:
            continue
        videos = np.array(known)[present]
        try:
            directions[name] = high_minus_low(jnp.asarray(ws[videos]), values[present])
        except ValueError as error:
            raise InputError(f"phenotype {name}: {error}") from error
        counts[name] = len(videos)
    return directions, counts


def with_fit(
    model: Model, trajectories: Mapping[str, Array], directions: Mapping[str, Array], note: dict
) -> Model:
    """Return the model with motion and directions added, and `note` on its card."""
    return dataclasses.replace(
        model,
        trajectories={**model.trajectories, **trajectories},
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
