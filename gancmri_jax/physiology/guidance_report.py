"""How well amounts along directions rule phenotypes: the paper's Pearson test (section 4.3).

GANcMRI correlates 51 amounts c in [−2, 3] with what is measured on one heart; here on many, and
every direction is measured on every phenotype.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.stats
from jaxtyping import Array, Float

from gancmri_jax.cine.cine import Cine
from gancmri_jax.errors import InputError
from gancmri_jax.model.model import Model, learned_direction
from gancmri_jax.physiology.guidance import DIRECTIONS, measure_hearts, measuring
from gancmri_jax.segmentation.quality import judge
from gancmri_jax.segmentation.segment import segment

LEAST, MOST, COUNT = -2.0, 3.0, 51  # amounts, as in the paper's figures 8 and 9
_RESAMPLES = 2000  # of hearts, behind the interval

Measured = dict[str, Float[np.ndarray, "heart amount"]]  # by column of phenotypes.csv


class Guidance(NamedTuple):
    """What hearts measure as they are moved along each direction.

    Attributes:
        amounts: c.
        seeds: Which hearts.
        measured: By direction, then by phenotype.
        left_out: Flags of the hearts that were left out for them, by seed.
    """

    amounts: Float[np.ndarray, "amount"]
    seeds: list[int]
    measured: dict[str, Measured]
    left_out: Mapping[int, str] = MappingProxyType({})


def measure_guidance(
    model: Model,
    names: Sequence[str] = (),
    hearts: int = 32,
    seed: int = 0,
    on_heart: Callable[[], object] = lambda: None,
    keep_flagged: bool = True,
) -> Guidance:
    """Move each heart of seeds `seed`, `seed` + 1, … from its ED along each direction, and measure.

    Args:
        model: It has directions and a segmenter.
        names: Directions; by default all of the model's whose phenotype is measured.
        hearts: How many.
        seed: The first heart's.
        on_heart: Told of each heart and direction that is done, or left out.
        keep_flagged: Measure hearts too whose segmentation is flagged as they are at ED.

    Raises:
        InputError: The model has no such direction, or none whose phenotype is measured, or cannot
            measure hearts, or makes none with a left ventricle, or all hearts are flagged.
    """
    known = [name for name in DIRECTIONS.values() if name in model.directions]
    for name in names:
        if name not in DIRECTIONS.values():
            raise InputError(
                f"phenotype {name} is not measured on a frame; those that are: "
                f"{', '.join(DIRECTIONS.values())}"
            )
        learned_direction(model.directions, name)
    if not (names or known):
        raise InputError(
            f"the model has no direction for {' or '.join(DIRECTIONS.values())}; `gancmri fit "
            "--phenotypes` learns them"
        )
    amounts = np.linspace(LEAST, MOST, COUNT)
    seeds = list(range(seed, seed + hearts))
    starts = [model.at_ed(model.sample(heart)) for heart in seeds]
    left_out: dict[int, str] = {}
    if not keep_flagged:
        flags = [flags_at_ed(model, start) for start in starts]
        left_out = {heart: text for heart, text in zip(seeds, flags, strict=True) if text}
        kept = [index for index, text in enumerate(flags) if not text]
        if not kept:
            listed = sorted({name for text in flags for name in text.split(";")})
            raise InputError(
                f"the segmentation of all {hearts} hearts is flagged ({', '.join(listed)}); look "
                "at them, or use --keep-flagged"
            )
        seeds, starts = [seeds[index] for index in kept], [starts[index] for index in kept]
    measured = {}
    for name in names or known:
        for _ in left_out:
            on_heart()
        direction = learned_direction(model.directions, name)
        steps = jnp.asarray(amounts, jnp.float32)[:, None, None] * direction[None]
        rows = []
        for start in starts:
            rows.append(measure_hearts(model, start[None] + steps))
            on_heart()
        measured[name] = {column: np.stack([row[column] for row in rows]) for column in DIRECTIONS}
        if not any(np.isfinite(values).any() for values in measured[name].values()):
            raise InputError("no left ventricle is found in any heart that this model makes")
    return Guidance(amounts, seeds, measured, left_out)


def flags_at_ed(model: Model, ws: Float[Array, "num_ws w_dim"]) -> str:
    """Return the flags of a heart's segmentation at ED, joined by `;`; empty where all is well."""
    segmenter, spacing_mm = measuring(model)
    pixels = np.clip(model.render(ws[None])[..., 0], -1, 1)
    try:
        segmentation = segment(segmenter, Cine(pixels, spacing_mm, None, "heart"))
    except InputError:  # no contrast to segment
        return "missing"
    return ";".join(flag.name for flag in judge(segmentation, spacing_mm, 0).flags)


def summarise(guidance: Guidance, model: Model) -> dict[str, dict[str, Any]]:
    """Return what goes into the report, by direction, JSON-like.

    `pearson_r` is the median over hearts of each one's r over the amounts, `ci95` its interval by
    resampling hearts, `p_value` the median of theirs, `monotonicity` the share of steps that raise
    the phenotype; `pearson_r_pooled` is that of all hearts' values together, whose own differences
    count as scatter. `cross_talk` says what an amount of 1 does to each phenotype, in standard
    deviations of the hearts as they are.
    """
    report = {}
    columns = {name: column for column, name in DIRECTIONS.items()}
    for name, measured in guidance.measured.items():
        values = measured[columns[name]]
        correlations = [_correlate(guidance.amounts, row) for row in values]
        r = np.array([correlation[0] for correlation in correlations])
        pooled, _ = _correlate(np.tile(guidance.amounts, len(values)), values.ravel())
        rises = np.diff(values, axis=1)
        report[name] = {
            "column": columns[name],
            "pearson_r": _rounded(_median(r)),
            "pearson_r_pooled": _rounded(pooled),
            "p_value": _rounded(_median(np.array([p for _, p in correlations]))),
            "ci95": [_rounded(end) for end in _interval(r)],
            "monotonicity": _rounded((rises > 0).sum() / max(np.isfinite(rises).sum(), 1)),
            "slope": _rounded(_median(_slopes(guidance.amounts, values))),
            "lowest": _rounded(_median(values[:, 0])),
            "highest": _rounded(_median(values[:, -1])),
            "cross_talk": {
                column: _rounded(effect(guidance.amounts, measured[column])) for column in measured
            },
            "hearts": len(guidance.seeds),
            "first_seed": min([*guidance.seeds, *guidance.left_out]),
            "flagged_left_out": {str(heart): text for heart, text in guidance.left_out.items()},
            "amounts": [LEAST, MOST, len(guidance.amounts)],
            "hearts_without_lv": int(np.isnan(values).all(axis=1).sum()),
            "frames_without_lv": int(np.isnan(values).sum()),
            "model": model.fingerprint,
        }
    return report


def effect(
    amounts: Float[np.ndarray, "amount"], values: Float[np.ndarray, "heart amount"]
) -> float:
    """Return what an amount of 1 does, in standard deviations of the hearts at amount 0."""
    unmoved = values[:, np.abs(amounts).argmin()]
    spread = unmoved[np.isfinite(unmoved)].std() if np.isfinite(unmoved).any() else 0.0
    return _median(_slopes(amounts, values)) / spread if spread else np.nan


def _slopes(amounts, values) -> Float[np.ndarray, "heart"]:
    slopes = np.full(len(values), np.nan)
    for index, row in enumerate(values):
        found = np.isfinite(row)
        if found.sum() > 1:
            slopes[index] = np.polyfit(amounts[found], row[found], 1)[0]
    return slopes


def _correlate(x, y) -> tuple[float, float]:
    """Return r and p, NaN where fewer than three values were found or all are alike."""
    found = np.isfinite(y)
    if found.sum() < 3 or np.ptp(y[found]) == 0:
        return np.nan, np.nan
    result = scipy.stats.pearsonr(x[found], y[found])
    return float(result.statistic), float(result.pvalue)


def _interval(r: Float[np.ndarray, "heart"]) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    found = r[np.isfinite(r)]
    if not len(found):
        return np.nan, np.nan
    drawn = rng.choice(found, (_RESAMPLES, len(found)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return float(low), float(high)


def _median(values: Float[np.ndarray, "n"]) -> float:
    found = values[np.isfinite(values)]
    return float(np.median(found)) if len(found) else np.nan


def _rounded(value: float) -> float | None:
    """Return four digits, as JSON holds them, which knows no NaN."""
    return float(f"{value:.4g}") if np.isfinite(value) else None
