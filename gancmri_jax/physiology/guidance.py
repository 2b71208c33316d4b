"""Hearts that have the phenotypes asked for, as they are rendered and segmented (GANcMRI, 3.4).

A phenotype is guided by moving a heart's w along the phenotype's direction; what came of it is
measured as the paper does, on the ED frame alone.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gancmri_jax.cine.geometry import polygon_area, sides_of_smallest_rectangle
from gancmri_jax.errors import InputError
from gancmri_jax.latents.timing import own_es, rate_of
from gancmri_jax.model.model import Model, learned_direction
from gancmri_jax.model.motion import Motion
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.physiology.consistency import follows
from gancmri_jax.physiology.contour import contour_mm
from gancmri_jax.physiology.prompt import Prompt
from gancmri_jax.physiology.quantities import QUANTITIES, Range, Target
from gancmri_jax.segmentation.segment import FRAMES_AT_ONCE, LV, PERCENTILES, logits

# What is measured of a heart at ED, and the direction that guides it.
DIRECTIONS = {"lv_area_ed_cm2": "lv_area", "sphericity_index": "sphericity_index"}

# Of the beat: how deep it goes, which is measured at ED and ES, and its timing, which is set.
DEPTH = "lv_fac_percent"
TIMING = {"heart_rate_bpm": "heart_rate_bpm", "es_phase_percent": "es_percent"}
REACHABLE = (*DIRECTIONS, DEPTH, *TIMING)

LEAST_AMOUNT, MOST_AMOUNT = -3.0, 4.0  # where hearts are looked for; the paper's are in [−2, 3]
AIM, TOLERANCE = 0.005, 0.02  # of the target; the segmenter itself errs by as much as the second
LEAST_DEPTH, MOST_DEPTH = 0.1, 2.5  # of the motion
AIM_POINTS, TOLERANCE_POINTS = 0.5, 2.0  # of FAC
_ROUNDS = 10
_GRID = 7  # amounts along each direction that are looked at first
_PROBE = 0.25  # amount by which the effect of a direction is measured


class Unreachable(InputError):
    """What is asked for cannot be had from this heart; another may."""


class Solution(NamedTuple):
    """A heart that has what was asked for.

    Attributes:
        ws: Its codes at ED.
        amounts: How far it was moved, by direction.
        reached: What it measures, by phenotype; of its timing, what was set.
        motion: How it beats.
    """

    ws: Float[Array, "num_ws w_dim"]
    amounts: dict[str, float]
    reached: dict[str, float]
    motion: Motion = Motion()

    def __str__(self) -> str:
        reached = ", ".join(f"{column} {value:.4g}" for column, value in self.reached.items())
        moved = [f"{name} {amount:+.2f}" for name, amount in self.amounts.items()]
        changed = [f"moved by {', '.join(moved)}"] if moved else []
        if self.motion.depth != 1:
            changed.append(f"motion × {self.motion.depth:.2f}")
        return f"{reached}; {', '.join(changed) or 'as it was'}"


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


def solve(
    model: Model,
    ws: Float[Array, "num_ws w_dim"],
    targets: Mapping[str, float],
    motion: Motion | None = None,
) -> Solution:
    """Change a heart until it measures what is asked for.

    It is moved along directions at ED; then its motion is made deeper or shallower; its timing is
    set.

    Args:
        model: It has the directions and the segmenter.
        ws: The heart at ED.
        targets: Values by phenotype, of REACHABLE.
        motion: How it beats.

    Raises:
        InputError: A phenotype is not measured, the model has no direction for it, or it is beyond
            what a heart does.
        Unreachable: The values cannot be reached; the message says what can.
    """
    if unknown := sorted(set(targets) - set(REACHABLE)):
        raise InputError(f"{unknown[0]} cannot be a target; what can is {', '.join(REACHABLE)}")
    reached: dict[str, float] = {}
    amounts: dict[str, float] = {}
    motion = motion or Motion()
    set_to = {TIMING[column]: targets[column] for column in targets if column in TIMING}
    motion = dataclasses.replace(motion, **set_to)
    if shape := {column: targets[column] for column in targets if column in DIRECTIONS}:
        ws, amounts, reached = _move(model, ws, shape)
    if DEPTH in targets:
        motion, fac = _deepen(model, ws, targets[DEPTH], motion)
        reached[DEPTH] = fac
    reached |= {column: targets[column] for column in targets if column in TIMING}
    return Solution(ws, amounts, {column: reached[column] for column in targets}, motion)


def _move(
    model: Model, ws: Float[Array, "num_ws w_dim"], targets: Mapping[str, float]
) -> tuple[Float[Array, "num_ws w_dim"], dict[str, float], dict[str, float]]:
    """Move a heart along directions until it measures these values at ED."""
    names = [DIRECTIONS[column] for column in targets]
    directions = jnp.stack([learned_direction(model.directions, name) for name in names])
    wanted = np.array(list(targets.values()))

    def along(amounts: Float[np.ndarray, "*n k"]) -> Float[Array, "*n num_ws w_dim"]:
        weights = jnp.asarray(amounts, jnp.float32)
        return jnp.tensordot(weights, directions, axes=1, precision="highest")

    def measured(amounts: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        found = measure_hearts(model, ws[None] + along(amounts))
        return np.stack([found[column] for column in targets], axis=1)

    if len(names) == 1:
        ((column, value),) = targets.items()
        amounts, values = _bracket(
            lambda x: measured(x[:, None])[:, 0],
            value,
            np.linspace(LEAST_AMOUNT, MOST_AMOUNT, 15),
            (0.0, AIM * abs(value), TOLERANCE * abs(value)),
            f"{column} = {value:g} cannot be reached by this heart: moved by",
        )
    else:
        amounts, values = _newton(measured, wanted, list(targets))
    return (
        ws + along(amounts),
        dict(zip(names, amounts.tolist(), strict=True)),
        dict(zip(targets, values.tolist(), strict=True)),
    )


def measure_fac(
    model: Model, ws: Float[Array, "num_ws w_dim"], motion: Motion, depths: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n"]:
    """Return a heart's fractional area change in percent, for motions of several depths.

    Raises:
        InputError: The model cannot measure hearts, or has not learned the motion.
    """
    plain = dataclasses.replace(motion, depth=1.0, heart_rate_bpm=None, es_percent=None)
    offsets = model.beat(ws, plain) - ws[None]
    es = offsets[round(float(own_es(offsets, model.motion.ed_to_es)) * len(offsets))]
    at = jnp.asarray(np.concatenate([[0.0], depths]), jnp.float32)
    hearts = ws[None] + at[:, None, None] * es[None]
    areas = measure_hearts(model, hearts)["lv_area_ed_cm2"]
    return np.asarray(100 * (1 - areas[1:] / areas[0]))


def _deepen(
    model: Model, ws: Float[Array, "num_ws w_dim"], fac: float, motion: Motion
) -> tuple[Motion, float]:
    """Scale a heart's motion until it has this fractional area change."""
    (depth,), (value,) = _bracket(
        lambda depths: measure_fac(model, ws, motion, depths),
        fac,
        np.linspace(LEAST_DEPTH, MOST_DEPTH, 13),
        (1.0, AIM_POINTS, TOLERANCE_POINTS),
        f"{DEPTH} = {fac:g} cannot be reached by this heart: by its motion times",
    )
    return dataclasses.replace(motion, depth=float(depth)), float(value)


def insist_reachable(prompt: Prompt) -> None:
    """Check that hearts can be changed to all that a prompt asks for.

    Raises:
        InputError: What they cannot be changed to, and what they can.
    """
    if others := [str(target) for target in prompt.targets if not _reachable(target, prompt)]:
        can = [QUANTITIES[name].what for name in REACHABLE]
        raise InputError(
            f"prompt: {', '.join(others)} cannot be reached yet; what can is "
            f"{', '.join(can[:-1])} and {can[-1]}"
        )


def _reachable(target: Target, prompt: Prompt) -> bool:
    if target.name in REACHABLE:
        return True
    asked = prompt.ranges()
    if target.name not in asked:
        return False
    without = {name: ends for name, ends in asked.items() if name != target.name}
    now, before = follows(asked), follows(without)
    return all(name in REACHABLE for name in now) and now != before


def solve_prompt(
    model: Model,
    ws: Float[Array, "num_ws w_dim"],
    prompt: Prompt,
    motion: Motion | None = None,
) -> Solution:
    """Change a heart until it measures what a prompt asks for, or what follows from that.

    What lies in its range stays. The middle of a range is tried first, then its nearest end.

    Args:
        model: It has the directions and the segmenter.
        ws: The heart at ED.
        prompt: What is asked for.
        motion: How it beats.

    Raises:
        InputError: The model lacks what is needed, or hearts cannot be changed to such targets.
        Unreachable: The targets cannot be reached; the message says what can.
    """
    insist_reachable(prompt)
    motion = motion or Motion()
    targets = {target.name: target for target in prompt.targets if target.name in REACHABLE}
    derived = {n: ends for n, ends in follows(prompt.ranges()).items() if n in REACHABLE}
    before = _before(model, ws, motion, {*targets, *derived})
    if not all(math.isfinite(value) for value in before.values()):
        raise Unreachable("no left ventricle is found in this heart")
    ranges = {name: target.at(before[name]) for name, target in targets.items()} | derived
    stays = _staying(ranges, before)

    def solved(margin: float) -> Solution:
        """Aim inside the ranges, by parts of their width at least, near the heart's values."""
        aims = {
            name: min(max(before[name], low + margin * (high - low)), high - margin * (high - low))
            for name, (low, high) in ranges.items()
            if name not in stays
        }
        solution = solve(model, ws, aims, motion) if aims else Solution(ws, {}, {}, motion)
        reached = {name: solution.reached.get(name, before[name]) for name in before}
        return solution._replace(reached=reached)

    try:
        return solved(0.5)
    except Unreachable:
        if all(low == high for low, high in ranges.values()):
            raise
        return solved(0.25)  # ends that miss by TOLERANCE lie outside


def _staying(ranges: Mapping[str, Range], before: Mapping[str, float]) -> set[str]:
    """Return what lies in its range and is not changed by what does not."""
    inside = {name for name, (low, high) in ranges.items() if low <= before[name] <= high}
    if not inside >= ranges.keys() & DIRECTIONS.keys():  # a heart that is moved beats otherwise
        return inside & TIMING.keys()
    return inside


def _before(
    model: Model, ws: Float[Array, "num_ws w_dim"], motion: Motion, names: set[str]
) -> dict[str, float]:
    """Return what a heart is as it is, of what is named."""
    found: dict[str, float] = {}
    if names & DIRECTIONS.keys():
        found |= {name: float(x[0]) for name, x in measure_hearts(model, ws[None]).items()}
    if DEPTH in names:
        found[DEPTH] = float(measure_fac(model, ws, motion, np.ones(1))[0])
    if names & TIMING.keys():
        offsets = model.beat(ws, motion) - ws[None]
        es = own_es(offsets, model.motion.ed_to_es)
        found |= {"es_phase_percent": 100 * float(es), "heart_rate_bpm": float(rate_of(es))}
    return {name: found[name] for name in REACHABLE if name in names}


def _bracket(
    measured: Callable[[Float[np.ndarray, "n"]], Float[np.ndarray, "n"]],
    wanted: float,
    tried: Float[np.ndarray, "n"],
    limits: tuple[float, float, float],
    refusal: str,
) -> tuple[Float[np.ndarray, "1"], Float[np.ndarray, "1"]]:
    """Divide the stretch within which the target is passed, the nearest to unchanged if several.

    A plateau or a kink costs rounds, and no more; where a value jumps over the target there is
    none.

    Args:
        measured: Returns values for amounts.
        wanted: The value to reach.
        tried: Amounts that are tried first.
        limits: The amount that changes nothing; how near the search goes; how near is enough.
        refusal: Begins the message if there is none.
    """
    unchanged, aim, tolerance = limits
    least, most = tried[0], tried[-1]
    at, value, lowest, highest = math.nan, math.inf, math.inf, -math.inf
    for _ in range(_ROUNDS):
        values = measured(tried)
        _insist_found(values)
        lowest, highest = min(lowest, np.nanmin(values)), max(highest, np.nanmax(values))
        missed = values - wanted
        best = np.nanargmin(np.abs(missed))
        if abs(missed[best]) < abs(value - wanted):
            at, value = tried[best], values[best]
        passed = np.flatnonzero(missed[:-1] * missed[1:] < 0)  # never beside a NaN
        if abs(value - wanted) <= aim or not len(passed):
            break
        middle = (tried[passed] + tried[passed + 1]) / 2
        left = passed[np.abs(middle - unchanged).argmin()]
        tried = np.linspace(tried[left], tried[left + 1], 9)
    if abs(value - wanted) <= tolerance:
        return np.array([at]), np.array([value])
    raise Unreachable(f"{refusal} {least:g} to {most:g} it measures {lowest:.3g} to {highest:.3g}")


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
