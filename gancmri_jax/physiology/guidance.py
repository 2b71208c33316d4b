"""Hearts that have the phenotypes asked for, as they are rendered and segmented (GANcMRI, 3.4).

A phenotype is guided by moving a heart's w along the phenotype's direction; what came of it is
measured as the paper does, on the ED frame alone.
"""

import functools
import itertools
import math
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gancmri_jax.cine.geometry import polygon_area, sides_of_smallest_rectangle
from gancmri_jax.errors import InputError
from gancmri_jax.model.model import Model, learned_direction
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.physiology.contour import contour_mm
from gancmri_jax.physiology.prompt import Prompt
from gancmri_jax.physiology.quantities import QUANTITIES
from gancmri_jax.segmentation.segment import FRAMES_AT_ONCE, LV, PERCENTILES, logits

# What is measured of a heart at ED, and the direction that guides it.
DIRECTIONS = {"lv_area_ed_cm2": "lv_area", "sphericity_index": "sphericity_index"}

LEAST_AMOUNT, MOST_AMOUNT = -3.0, 4.0  # where hearts are looked for; the paper's are in [−2, 3]
AIM, TOLERANCE = 0.005, 0.02  # of the target; the segmenter itself errs by as much as the second
_ROUNDS = 10
_GRID = 7  # amounts along each direction that are looked at first
_PROBE = 0.25  # amount by which the effect of a direction is measured


class Unreachable(InputError):
    """What is asked for cannot be had from this heart; another may."""


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
        return f"{reached} at ED, " + (f"moved by {moved}" if moved else "as it was")


def measuring(model: Model) -> tuple[Segmenter, tuple[float, float]]:
    """Return what a model's hearts are measured by: its segmenter and its spacing.

    Raises:
        InputError: It has no segmenter, does not say its spacing, or is in colour.
    """
    model.insist_grey()
    if model.segmenter is None or model.spacing_mm is None:
        lacks = "no segmenter" if model.segmenter is None else "no spacing on its card"
        raise InputError(
            f"the model has {lacks}, and hearts are measured by both; see "
            "`gancmri train-segmenter --into MODEL`, and `gancmri train`, which writes the card"
        )
    return model.segmenter, model.spacing_mm


def measure_hearts(
    model: Model, ws: Float[Array, "n num_ws w_dim"]
) -> dict[str, Float[np.ndarray, "n"]]:
    """Render hearts and measure each on its own; NaN where no left ventricle is found.

    Returns:
        Every phenotype of DIRECTIONS by its column of phenotypes.csv.

    Raises:
        InputError: The model has no segmenter, does not say its spacing, or is in colour.
    """
    segmenter, spacing_mm = measuring(model)
    side = model.resolution
    grid = tuple(max(round(side * mm / segmenter.pixel_mm), 1) for mm in spacing_mm)
    grid_mm = tuple(side * mm / n for mm, n in zip(spacing_mm, grid, strict=True))
    images = np.clip(model.render(ws)[..., 0], -1, 1)
    areas_cm2, indices = [], []
    for first in range(0, len(images), FRAMES_AT_ONCE):
        batch = images[first : first + FRAMES_AT_ONCE]
        filled = np.concatenate([batch, batch[-1:].repeat(FRAMES_AT_ONCE - len(batch), axis=0)])
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
        InputError: A phenotype is not measured, or the model has no direction for it.
        Unreachable: The values cannot be reached; the message says what can.
    """
    if unknown := sorted(set(targets) - DIRECTIONS.keys()):
        raise InputError(
            f"{unknown[0]} cannot be a target; what is measured is {', '.join(DIRECTIONS)}"
        )
    names = [DIRECTIONS[column] for column in targets]
    directions = jnp.stack([learned_direction(model.directions, name) for name in names])
    wanted = np.array(list(targets.values()))

    def along(amounts: Float[np.ndarray, "*n k"]) -> Float[Array, "*n num_ws w_dim"]:
        weights = jnp.asarray(amounts, jnp.float32)
        return jnp.tensordot(weights, directions, axes=1, precision="highest")

    def measured(amounts: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        found = measure_hearts(model, ws[None] + along(amounts))
        return np.stack([found[column] for column in targets], axis=1)

    amounts, values = (_bracket if len(names) == 1 else _newton)(measured, wanted, list(targets))
    return Solution(
        ws + along(amounts),
        dict(zip(names, amounts.tolist(), strict=True)),
        dict(zip(targets, values.tolist(), strict=True)),
    )


def insist_reachable(prompt: Prompt) -> None:
    """Check that hearts can be moved to all that a prompt asks for.

    Raises:
        InputError: What they cannot be moved to, and what they can.
    """
    others = [str(target) for target in prompt.targets if target.name not in DIRECTIONS]
    if others:
        can = " and ".join(QUANTITIES[name].what for name in DIRECTIONS)
        raise InputError(f"prompt: {', '.join(others)} cannot be reached yet; what can is {can}")


def solve_prompt(model: Model, ws: Float[Array, "num_ws w_dim"], prompt: Prompt) -> Solution:
    """Move a heart until it measures what a prompt asks for.

    What lies in its range stays. The middle of a range is tried first, then its nearest end.

    Raises:
        InputError: The model lacks what is needed, or hearts cannot be moved to such targets.
        Unreachable: The targets cannot be reached; the message says what can.
    """
    insist_reachable(prompt)
    found = measure_hearts(model, ws[None])
    before = {target.name: float(found[target.name][0]) for target in prompt.targets}
    if not all(math.isfinite(value) for value in before.values()):
        raise Unreachable("no left ventricle is found in this heart")
    ranges = {target.name: target.at(before[target.name]) for target in prompt.targets}
    if all(low <= before[name] <= high for name, (low, high) in ranges.items()):
        return Solution(ws, {}, before)

    def aims(margin: float) -> dict[str, float]:
        """Return values inside the ranges, by parts of their width at least, near the heart's."""
        return {
            name: min(max(before[name], low + margin * (high - low)), high - margin * (high - low))
            for name, (low, high) in ranges.items()
        }

    try:
        return solve(model, ws, aims(0.5))
    except Unreachable:
        nearest = aims(0.25)  # ends that miss by TOLERANCE lie outside
        if nearest == aims(0.5):
            raise
        return solve(model, ws, nearest)


def _bracket(measured, wanted, columns) -> tuple[np.ndarray, np.ndarray]:
    """Divide the stretch of amounts within which the target is passed, the nearest to 0 if several.

    A plateau or a kink costs rounds, and no more; where a value jumps over the target there is
    none.
    """
    amounts = np.linspace(LEAST_AMOUNT, MOST_AMOUNT, 15)
    at, value, lowest, highest = math.nan, math.inf, math.inf, -math.inf
    for _ in range(_ROUNDS):
        values = measured(amounts[:, None])[:, 0]
        _insist_found(values)
        lowest, highest = min(lowest, np.nanmin(values)), max(highest, np.nanmax(values))
        missed = values - wanted[0]
        best = np.nanargmin(np.abs(missed))
        if abs(missed[best]) < abs(value - wanted[0]):
            at, value = amounts[best], values[best]
        passed = np.flatnonzero(missed[:-1] * missed[1:] < 0)  # never beside a NaN
        if abs(value - wanted[0]) <= AIM * abs(wanted[0]) or not len(passed):
            break
        left = passed[np.abs(amounts[passed] + amounts[passed + 1]).argmin()]
        amounts = np.linspace(amounts[left], amounts[left + 1], 9)
    if abs(value - wanted[0]) <= TOLERANCE * abs(wanted[0]):
        return np.array([at]), np.array([value])
    raise Unreachable(
        f"{columns[0]} = {wanted[0]:g} cannot be reached by this heart: moved by "
        f"{LEAST_AMOUNT:g} to {MOST_AMOUNT:g} it measures {lowest:.3g} to {highest:.3g}"
    )


def _newton(measured, wanted, columns) -> tuple[np.ndarray, np.ndarray]:
    """Follow measured slopes from the nearest point of a coarse grid, by steps that must help.

    Where none does, at a kink or a plateau, points all around are looked at, ever nearer.
    """
    axis = np.linspace(LEAST_AMOUNT, MOST_AMOUNT, _GRID)
    grid = np.array(list(itertools.product(axis, repeat=len(wanted))))
    values = measured(grid)
    _insist_found(values)
    lowest, highest = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    around = np.array(list(itertools.product([-1.0, -0.5, 0.0, 0.5, 1.0], repeat=len(wanted))))
    at, value, reach = grid[0], np.full(len(wanted), np.inf), axis[1] - axis[0]

    def better(tried: np.ndarray, values: np.ndarray) -> bool:
        nonlocal at, value
        missed = np.nan_to_num(_worst(values, wanted), nan=np.inf)
        best = missed.argmin()
        if not missed[best] < _worst(value, wanted):
            return False
        at, value = tried[best], values[best]
        return True

    better(grid, values)
    for _ in range(_ROUNDS):
        if _worst(value, wanted) <= AIM:
            break
        slopes = (measured(at + _PROBE * np.eye(len(at))) - value).T / _PROBE
        if np.isfinite(slopes).all():
            step = np.linalg.lstsq(slopes / wanted[:, None], 1 - value / wanted, rcond=1e-3)[0]
            tried = np.clip(at + np.outer([1, 0.6, 0.3, 0.1], step), LEAST_AMOUNT, MOST_AMOUNT)
            if better(tried, measured(tried)):
                continue
        reach /= 2
        tried = np.clip(at + reach * around, LEAST_AMOUNT, MOST_AMOUNT)
        better(tried, measured(tried))
    if _worst(value, wanted) <= TOLERANCE:
        return at, value
    asked = ", ".join(f"{column} = {x:g}" for column, x in zip(columns, wanted, strict=True))
    near = ", ".join(f"{column} {x:.3g}" for column, x in zip(columns, value, strict=True))
    spans = ", ".join(
        f"{column} {low:.3g} to {high:.3g}"
        for column, low, high in zip(columns, lowest, highest, strict=True)
    )
    raise Unreachable(
        f"{asked} cannot be reached together by this heart; the nearest is {near}, and what it "
        f"measures lies in {spans}"
    )


def _worst(
    values: Float[np.ndarray, "*n k"], wanted: Float[np.ndarray, "k"]
) -> Float[np.ndarray, "*n"]:
    """Return how far the farther of the values is from what is wanted, as a part of it."""
    return np.asarray(np.abs(values / wanted - 1).max(axis=-1))


def _insist_found(values: Float[np.ndarray, "*n"]) -> None:
    if not np.isfinite(values).any():
        raise Unreachable("no left ventricle is found in this heart, however it is moved")


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _lv_probability(network, x_first, grid, variables, images):
    """Window each image on its own, unlike a cine's frames, and find the left ventricle."""
    low, high = jnp.percentile(images, jnp.array(PERCENTILES), axis=(1, 2), keepdims=True)
    shown = jnp.clip((images - low) / jnp.maximum(high - low, 1e-6), 0, 1)
    shown = jax.image.resize(shown, (len(images), *grid), "linear")
    return jax.nn.softmax(logits(network, variables, shown, x_first))[..., LV]
