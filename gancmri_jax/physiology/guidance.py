"""Hearts that have the phenotypes asked for, as they are rendered and segmented (GANcMRI, 3.4).

A phenotype is guided by moving a heart's w along the phenotype's direction; what came of it is
measured as the paper does, on the ED frame alone.
"""

import functools
import itertools
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gancmri_jax.cine.phantom.measure import polygon_area, sides_of_smallest_rectangle
from gancmri_jax.errors import InputError
from gancmri_jax.latents.paths import start_at_ed
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import learned
from gancmri_jax.physiology.contour import contour_mm
from gancmri_jax.physiology.segment import FRAMES_AT_ONCE, LV, PERCENTILES, logits

# What is measured of a heart at ED, and the direction that guides it.
DIRECTIONS = {"lv_area_ed_cm2": "lv_area", "sphericity_index": "sphericity_index"}

LEAST_AMOUNT, MOST_AMOUNT = -3.0, 4.0  # where hearts are looked for; the paper's are in [−2, 3]
TOLERANCE = 0.005  # of the target
_ROUNDS = 8
_GRID = 7  # amounts along each direction that are looked at first
_PROBE = 0.25  # amount by which the effect of a direction is measured


class Solution(NamedTuple):
    """A heart that has what was asked for.

    Attributes:
        ws: Its codes.
        amounts: How far it was moved, by direction.
        reached: What it measures, by phenotype.
    """

    ws: Float[Array, "num_ws w_dim"]
    amounts: dict[str, float]
    reached: dict[str, float]

    def __str__(self) -> str:
        reached = ", ".join(f"{column} {value:.4g}" for column, value in self.reached.items())
        moved = ", ".join(f"{name} {amount:+.2f}" for name, amount in self.amounts.items())
        return f"{reached} at ED, moved by {moved}"


def measure_hearts(
    model: Model, ws: Float[Array, "n num_ws w_dim"]
) -> dict[str, Float[np.ndarray, "n"]]:
    """Render hearts and measure each on its own; NaN where no left ventricle is found.

    Returns:
        Every phenotype of DIRECTIONS by its column of phenotypes.csv.

    Raises:
        InputError: The model has no segmenter, does not say its spacing, or is in colour.
    """
    model.insist_grey()
    if model.segmenter is None or model.spacing_mm is None:
        lacks = "no segmenter" if model.segmenter is None else "no spacing on its card"
        raise InputError(
            f"the model has {lacks}, and hearts are measured by both; see "
            "`gancmri train-segmenter --into MODEL`, and `train.py`, which writes the card"
        )
    side, pixel_mm = model.resolution, model.segmenter.pixel_mm
    grid = tuple(max(round(side * mm / pixel_mm), 1) for mm in model.spacing_mm)
    grid_mm = tuple(side * mm / n for mm, n in zip(model.spacing_mm, grid, strict=True))
    images = np.clip(model.render(ws)[..., 0], -1, 1)
    areas_cm2, indices = [], []
    for first in range(0, len(images), FRAMES_AT_ONCE):
        batch = images[first : first + FRAMES_AT_ONCE]
        filled = np.concatenate([batch, batch[-1:].repeat(FRAMES_AT_ONCE - len(batch), axis=0)])
        segmenter = model.segmenter
        found = _lv_probability(
            segmenter.network, segmenter.x_first, grid, segmenter.variables, filled
        )
        for probability in np.asarray(found)[: len(batch)]:
            outline = contour_mm(probability, grid_mm)  # type: ignore[arg-type]
            short, long = (np.nan,) * 2 if outline is None else sides_of_smallest_rectangle(outline)
            areas_cm2.append(np.nan if outline is None else polygon_area(outline) / 100)
            indices.append(short / long)
    return {"lv_area_ed_cm2": np.array(areas_cm2), "sphericity_index": np.array(indices)}


def solve(model: Model, ws: Float[Array, "num_ws w_dim"], targets: Mapping[str, float]) -> Solution:
    """Move a heart along directions until it measures what is asked for.

    Args:
        model: It has the directions and the segmenter.
        ws: The heart at ED.
        targets: Values by phenotype, of DIRECTIONS.

    Raises:
        InputError: A phenotype is not measured, the model has no direction for it, or the values
            cannot be reached; the message says what can.
    """
    if unknown := sorted(set(targets) - DIRECTIONS.keys()):
        raise InputError(
            f"{unknown[0]} cannot be a target; what is measured is {', '.join(DIRECTIONS)}"
        )
    names = [DIRECTIONS[column] for column in targets]
    directions = jnp.stack([learned(model.directions, name, "directions") for name in names])
    wanted = np.array(list(targets.values()))

    def measured(amounts: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        moved = ws[None] + jnp.tensordot(jnp.asarray(amounts, jnp.float32), directions, axes=1)
        found = measure_hearts(model, moved)
        return np.stack([found[column] for column in targets], axis=1)

    amounts, values = (_bracket if len(names) == 1 else _newton)(measured, wanted, list(targets))
    return Solution(
        ws + jnp.tensordot(jnp.asarray(amounts, jnp.float32), directions, axes=1),
        dict(zip(names, amounts.tolist(), strict=True)),
        dict(zip(targets, values.tolist(), strict=True)),
    )


def guide_heart(
    model: Model, ws: Float[Array, "num_ws w_dim"], targets: Mapping[str, float]
) -> tuple[Float[Array, "num_ws w_dim"], Solution]:
    """Return a heart moved so that the first frame of its video measures what is asked for.

    Args:
        model: It has the directions, motion and the segmenter.
        ws: The heart as `Model.beat` takes it, which goes to its ED first.
        targets: As `solve` takes them.

    Raises:
        InputError: As `solve` does.
    """
    start = start_at_ed(ws, learned(model.trajectories, "ed_to_es", "trajectories"))
    solution = solve(model, start, targets)
    return ws + (solution.ws - start), solution


def _bracket(measured, wanted, columns) -> tuple[np.ndarray, np.ndarray]:
    """Divide the stretch of amounts within which the target is passed, the nearest to 0 if several.

    A plateau or a kink costs rounds, and no more; where a value jumps over the target there is
    none.
    """
    amounts = np.linspace(LEAST_AMOUNT, MOST_AMOUNT, 15)
    reach = None
    for _ in range(_ROUNDS):
        values = measured(amounts[:, None])[:, 0]
        _insist_found(values)
        reach = (np.nanmin(values), np.nanmax(values)) if reach is None else reach
        missed = values - wanted[0]
        best = np.nanargmin(np.abs(missed))
        if abs(missed[best]) <= TOLERANCE * abs(wanted[0]):
            return amounts[best : best + 1], values[best : best + 1]
        passed = np.flatnonzero(missed[:-1] * missed[1:] < 0)  # never beside a NaN
        if not len(passed):
            break
        left = passed[np.abs(amounts[passed] + amounts[passed + 1]).argmin()]
        amounts = np.linspace(amounts[left], amounts[left + 1], 9)
    raise InputError(
        f"{columns[0]} = {wanted[0]:g} cannot be reached by this heart: moved by "
        f"{LEAST_AMOUNT:g} to {MOST_AMOUNT:g} it measures {reach[0]:.3g} to {reach[1]:.3g}"
    )


def _newton(measured, wanted, columns) -> tuple[np.ndarray, np.ndarray]:
    """Follow measured slopes from the nearest point of a coarse grid, by steps that must help."""
    axis = np.linspace(LEAST_AMOUNT, MOST_AMOUNT, _GRID)
    grid = np.array(list(itertools.product(axis, repeat=len(wanted))))
    values = measured(grid)
    _insist_found(values)

    def worst(values: np.ndarray) -> np.ndarray:
        return np.abs(values / wanted - 1).max(axis=-1)

    lowest, highest = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    best = np.nanargmin(worst(values))
    at, value = grid[best], values[best]
    for _ in range(_ROUNDS):
        if worst(value) <= TOLERANCE:
            return at, value
        slopes = (measured(at + _PROBE * np.eye(len(at))) - value).T / _PROBE
        if not np.isfinite(slopes).all():
            break
        step = np.linalg.lstsq(slopes / wanted[:, None], 1 - value / wanted, rcond=1e-3)[0]
        tried = np.clip(at + np.outer([1, 0.6, 0.3, 0.1], step), LEAST_AMOUNT, MOST_AMOUNT)
        values = measured(tried)
        best = np.nanargmin(worst(values)) if np.isfinite(worst(values)).any() else 0
        if not worst(values[best]) < worst(value):
            break
        at, value = tried[best], values[best]
    if worst(value) <= TOLERANCE:
        return at, value
    asked = ", ".join(f"{column} = {x:g}" for column, x in zip(columns, wanted, strict=True))
    near = ", ".join(f"{column} {x:.3g}" for column, x in zip(columns, value, strict=True))
    spans = ", ".join(
        f"{column} {low:.3g} to {high:.3g}"
        for column, low, high in zip(columns, lowest, highest, strict=True)
    )
    raise InputError(
        f"{asked} cannot be reached together by this heart; the nearest is {near}, and what it "
        f"measures lies in {spans}"
    )


def _insist_found(values: Float[np.ndarray, "*n"]) -> None:
    if not np.isfinite(values).any():
        raise InputError("no left ventricle is found in this heart, however it is moved")


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _lv_probability(network, x_first, grid, variables, images):
    """Window each image on its own, unlike a cine's frames, and find the left ventricle."""
    low, high = jnp.percentile(images, jnp.array(PERCENTILES), axis=(1, 2), keepdims=True)
    shown = jnp.clip((images - low) / jnp.maximum(high - low, 1e-6), 0, 1)
    shown = jax.image.resize(shown, (len(images), *grid), "linear")
    return jax.nn.softmax(logits(network, variables, shown, x_first))[..., LV]
