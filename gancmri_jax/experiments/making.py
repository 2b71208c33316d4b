"""What a rerun is made from: phantoms, records, a model, codes, and what they teach it."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.phantom.write import write_phantoms
from gancmri_jax.cine.phenotypes import Phenotypes, read_phenotypes
from gancmri_jax.cine.prepare import CARD, Options, prepare
from gancmri_jax.cine.read import insist
from gancmri_jax.errors import InputError
from gancmri_jax.experiments.journal import Result
from gancmri_jax.experiments.measures import GUIDED
from gancmri_jax.experiments.scale import Scale
from gancmri_jax.fitting.fit import FitOptions, fit
from gancmri_jax.latents.codes import Codes, concatenate
from gancmri_jax.latents.motions import FRAME_TO_FRAME
from gancmri_jax.metrics.protocol import OnStart
from gancmri_jax.model.model import Model
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.start import best_start
from gancmri_jax.projection.store import read_latents
from gancmri_jax.projection.study import project_study
from gancmri_jax.training.loop import train

FRAMES = 50  # of a video


def make_phantoms(
    folder: pathlib.Path, subjects: int, size: int, seed: int, on_start: OnStart
) -> Result:
    """Write phantom hearts."""
    told = on_start("phantoms", subjects)

    def indices():
        for index in range(subjects):
            yield index
            told(1)

    write_phantoms(folder, indices(), size, FRAMES, seed)
    return {"subjects": subjects}


def make_records(phantoms: pathlib.Path, records: pathlib.Path, size: int) -> Result:
    """Write records of the phantoms, split by subject."""
    # Phantoms have no identity to protect, and their names find them in phenotypes.csv.
    card = prepare(phantoms, records, Options(size, keep_ids=True), on_refusal=insist)
    if "test" not in card["videos"]:
        raise InputError(f"{CARD}: too few subjects for a test split; ten are the least")
    return {"videos": card["videos"], "frames": card["frames"]}


def train_model(config: ConfigDict, records: pathlib.Path, workdir: pathlib.Path) -> Result:
    """Train by a configuration on the records."""
    config = ConfigDict(config)
    config.data = str(records)
    train(config, workdir)
    return {"kimg": config.total_kimg}


def project_cines(
    model: Model,
    out: pathlib.Path,
    scale: Scale,
    seed: int,
    on_start: OnStart,
    name: str,
    cines: Sequence[Cine],
    which: Any,
) -> Result:
    """Find the codes of cines into a store of this name; an encoder gives the start."""
    steps = scale.projection_steps
    settings = Settings(steps, distance=scale.distance, start=best_start(model))
    bar: dict[str, Callable[[int], object]] = {}
    taken = 0.0  # steps of all frames together

    def begin(todo: int, done: int) -> None:
        bar["told"] = on_start(f"project {name}", todo)

    def advance(frame_steps: float) -> None:
        nonlocal taken
        before, taken = taken // steps, taken + frame_steps
        bar["told"](int(taken // steps - before))

    project_study(
        model,
        cines,
        _store(out, name),
        settings,
        which=which,
        seed=seed,
        keep_noise=True,
        on_start=begin,
        on_steps=advance,
    )
    codes, provenance = read_latents(_store(out, name))
    distances = codes.distances[codes.valid]
    return {
        "videos": len(codes.subjects),
        "frames": len(distances),
        "steps": steps,
        "start": settings.start,
        "mean_distance": float(distances.mean()),
        "distance": f"{provenance['distance']} distance {distances.mean():.4f}",
    }


def _store(out: pathlib.Path, name: str) -> pathlib.Path:
    return out / "codes" / f"{name}.zarr"


def read_codes(out: pathlib.Path, name: str) -> Codes:
    """Read the codes of a store of this name."""
    codes, _ = read_latents(_store(out, name))
    return codes


def fit_model(
    model: Model,
    out: pathlib.Path,
    table: pathlib.Path,
    spacing_mm: tuple[float, float],
    path: pathlib.Path,
) -> Result:
    """Learn motion and directions from the codes, and write the model that has them."""
    # A segmenter measures generated hearts in millimetres, which they have from these.
    card = {"spacing_mm": list(spacing_mm), **model.card}
    model = dataclasses.replace(model, card=card)
    stores = [_store(out, name) for name in ("beats", "pairs")]
    report = fit(model, stores, path, FitOptions(table, num_frames=FRAMES))
    known, phenotypes = (
        concatenate([read_codes(out, "beats"), read_codes(out, "pairs")]),
        read_phenotypes(table),
    )
    figures = report.figures[report.model.motion.resolve(FRAME_TO_FRAME)]
    return {
        "counts": report.counts | report.directions,
        "low_high": {name: _low_high(known, phenotypes, name) for name in GUIDED},
        "retained_motion": figures.peak,
        "at_frame": figures.frame + 1,
    }


def _low_high(codes: Codes, phenotypes: Phenotypes, direction: str) -> list[int]:
    """Return how many subjects are below and above the mean, as a direction takes them."""
    column = {"lv_area": "lv_area_ed_cm2"}.get(direction, direction)
    values = np.array([phenotypes[s][column] for s in codes.subjects if s in phenotypes])
    return [int((values < values.mean()).sum()), int((values > values.mean()).sum())]


def median_spacing_mm(cines: Sequence[Cine]) -> tuple[float, float]:
    """Return the median spacing of rows and columns."""
    rows, columns = np.median([cine.spacing_mm for cine in cines], axis=0).round(4)
    return float(rows), float(columns)
