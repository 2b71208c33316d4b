"""Models of the beat beside one another, and beside real beats, as the segmenter sees them.

A good one empties the ventricle as far and as fast as hearts do, thickens the walls, draws the
mitral plane down and fills the atria meanwhile; and it closes, smoothly.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from gancmri_jax.cine.cine import Cine
from gancmri_jax.errors import InputError
from gancmri_jax.experiments.journal import Journal, Result
from gancmri_jax.fitting.motion import motion_figures
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import Motion
from gancmri_jax.physiology.beat import Beat, measure_beat
from gancmri_jax.physiology.guidance import measuring
from gancmri_jax.video.render import render_uint8

REAL = "real"  # the row of real beats
BAND = (5.0, 95.0)  # percentiles


def compare_motions(
    model: Model,
    cines: Sequence[Cine],
    journal: Journal,
    hearts: int,
    num_frames: int,
    on_video: Callable[[], object] = lambda: None,
) -> dict[str, Result]:
    """Measure real beats, then the same hearts moved by every motion that the model has learned.

    Args:
        model: It has a segmenter, and says its spacing.
        cines: Real beats.
        journal: Where rows are kept; those that are there are not measured again.
        hearts: How many, of seeds 0, 1, ….
        num_frames: Frames of a beat that are measured, at equal parts of it.
        on_video: Told of each video that is measured.

    Returns:
        By motion, and for REAL, `beats`, a list by heart of numbers by name (`Beat`), and `curves`,
        LV area over that at ED by heart and frame; missing values are None.

    Raises:
        InputError: The model cannot measure hearts.
    """
    segmenter, spacing_mm = measuring(model)

    def measured(videos: Sequence[Callable[[], Cine]]) -> Result:
        beats, curves = [], []
        for video in videos:
            beat, areas = measure_beat(segmenter, video())
            beats.append({name: _number(value) for name, value in beat._asdict().items()})
            curves.append([_number(value) for value in areas / areas[0]])
            on_video()
        return {"beats": beats, "curves": curves}

    def made(seed: int, name: str) -> Cine:
        path = model.beat(model.at_ed(model.sample(seed)), Motion(name, num_frames))
        return Cine(render_uint8(model, path), spacing_mm, model.frame_ms, f"heart {seed}")

    real = [functools.partial(thinned, cine, num_frames) for cine in cines]
    journal.stage(REAL, lambda: measured(real), _said)
    for name in model.motion.names:
        videos = [functools.partial(made, seed, name) for seed in range(hearts)]
        journal.stage(name, functools.partial(measured, videos), _said)
    return journal.results


def thinned(cine: Cine, num_frames: int) -> Cine:
    """Return the first frame of each of so many equal parts of a beat, from ED on."""
    count = len(cine.pixels)
    chosen = (cine.ed_frame + np.arange(num_frames) * count // num_frames) % count
    frame_ms = cine.frame_ms and cine.frame_ms * count / num_frames
    return Cine(cine.pixels[chosen], cine.spacing_mm, frame_ms, cine.subject)


def table(results: dict[str, Result], model: Model) -> list[dict[str, Any]]:
    """Return a row a motion: its figures in latent space, and medians of what hearts do.

    `within_percent` is how many hearts' fractional area change lies in the middle 90 % of the real
    ones'.
    """
    real = values(results[REAL], "lv_fac_percent")
    if not len(real):
        raise InputError(
            "no left ventricle is found in any real beat; see `gancmri segment` of them"
        )
    low, high = np.percentile(real, BAND)
    figures = motion_figures(model.motion)
    rows = []
    for name, result in results.items():
        row: dict[str, Any] = {"motion": name}
        if name in figures:
            row |= figures[name]._asdict()
        for field in Beat._fields:
            found = values(result, field)
            row[field] = float(np.median(found)) if len(found) else np.nan
        fac = values(result, "lv_fac_percent")
        row["fac_band"] = tuple(np.percentile(fac, BAND)) if len(fac) else (np.nan, np.nan)
        row["within_percent"] = (
            100 * float(((fac >= low) & (fac <= high)).sum()) / len(result["beats"])
        )
        rows.append(row)
    return rows


def values(result: Result, field: str) -> Float[np.ndarray, "n"]:
    """Return what was found of a field of `Beat`, by heart; what was not found is left out."""
    found = [beat[field] for beat in result["beats"]]
    return np.array([value for value in found if value is not None])


def _said(result: Result) -> str:
    fac = values(result, "lv_fac_percent")
    return f"FAC {np.median(fac):.0f} %" if len(fac) else "no left ventricle found"


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
