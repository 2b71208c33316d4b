"""What projected cines and a table of their phenotypes teach a model: directions."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gancmri_jax.errors import InputError
from gancmri_jax.latents.codes import ChunkedCodes, Codes, chunked
from gancmri_jax.latents.directions import (
    high_minus_low_weights,
    orthogonalised,
    regression_weights,
)

# Columns of phenotypes.csv that are no phenotypes of the ED frame: frames, and ends of intervals.
_NOT_PHENOTYPES = ("ed_frame", "es_frame", "es_phase_frames")
_BOUNDS = ("_cm2_low", "_cm2_high")
_UNITS = ("_ed_cm2", "_cm2", "_percent", "_bpm", "_ml", "_mm", "_ms")


def fit_directions(
    codes: Codes | ChunkedCodes,
    phenotypes: Mapping[str, Mapping[str, float]],
    only: Sequence[str] = (),
    how: Literal["means", "regression"] = "means",
    orthogonal: bool = False,
) -> tuple[dict[str, Array], dict[str, int]]:
    """Learn a direction per phenotype from ED frames (GANcMRI, section 3.4).

    Args:
        codes: The study, in memory or read in chunks, in one pass.
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
    codes = chunked(codes)
    valid = codes.valid_at(codes.ed_frame)
    known = [v for v, subject in enumerate(codes.subjects) if valid[v] and subject in phenotypes]
    if not known:
        raise InputError(
            "no projected subject is in the phenotype table; name subjects as in the records (see "
            "phenotypes.csv beside them)"
        )
    rows = [phenotypes[codes.subjects[v]] for v in known]
    columns = [c for c in rows[0] if c not in _NOT_PHENOTYPES and not c.endswith(_BOUNDS)]
    names = {direction_name(column): column for column in columns}
    if unknown := sorted(set(only) - names.keys()):
        raise InputError(f"unknown phenotype {unknown[0]}; the table has {', '.join(names)}")
    weigh = {"means": high_minus_low_weights, "regression": regression_weights}[how]
    weights, counts = {}, {}
    for name in only or names:
        values = np.array([row.get(names[name], np.nan) for row in rows], np.float64)
        present = np.isfinite(values)
        if not only and len(set(values[present])) < 2:
            continue
        if present.sum() < 2:
            raise InputError(
                f"phenotype {name}: {present.sum()} of {len(rows)} projected subjects have a "
                "value; a direction needs at least two"
            )
        weights[name] = np.zeros(len(known))
        try:
            weights[name][present] = weigh(values[present])
        except ValueError as error:
            raise InputError(f"phenotype {name}: {error}") from error
        counts[name] = int(present.sum())
    directions = _weighted_sums(codes.take(np.array(known)), weights)
    if orthogonal and directions:
        try:
            upright = orthogonalised(jnp.stack(list(directions.values())))
        except ValueError as error:
            raise InputError(
                f"{', '.join(directions)}: {error}; name fewer, each with --phenotype"
            ) from error
        directions = dict(zip(directions, upright, strict=True))
    return directions, counts


def _weighted_sums(
    codes: ChunkedCodes, weights: Mapping[str, Float[np.ndarray, "video"]]
) -> dict[str, Array]:
    """Return sums of codes at ED, each by weights of its own."""
    if not weights:
        return {}
    by_video = np.stack(list(weights.values()))
    total: Any = 0.0
    first = 0
    for chunk in codes.chunks():
        ws, _ = chunk.at(chunk.ed_frame)
        some = by_video[:, first : first + len(ws)]
        total = total + np.tensordot(some, ws.astype(np.float64), axes=1)
        first += len(ws)
    sums = np.asarray(total)  # [name rows w_dim]
    sums = np.broadcast_to(sums, (len(sums), codes.num_ws, sums.shape[2]))
    return {name: jnp.asarray(each, jnp.float32) for name, each in zip(weights, sums, strict=True)}


def direction_name(column: str) -> str:
    """Return the direction's name for a phenotype's column: without the unit it ends in."""
    for unit in _UNITS:
        if column.endswith(unit):
            return column.removesuffix(unit)
    return column
