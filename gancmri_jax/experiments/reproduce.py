"""The paper, rerun on phantoms from nothing: data, model, codes, motion, measures, one report."""

import dataclasses
import functools
import importlib.util
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.phantom.study import write_phantoms
from gancmri_jax.cine.phenotypes import Phenotypes, read_phenotypes
from gancmri_jax.cine.prepare import CARD, Options, prepare
from gancmri_jax.cine.read import insist
from gancmri_jax.cine.records import Records, record_splits
from gancmri_jax.errors import InputError
from gancmri_jax.experiments import figures, measures
from gancmri_jax.experiments.journal import Journal, Result, Tell
from gancmri_jax.experiments.report import write_report
from gancmri_jax.experiments.scale import Scale
from gancmri_jax.experiments.sections import Rerun, sections
from gancmri_jax.experiments.temporal_superres import halve
from gancmri_jax.latents.codes import Codes, concatenate
from gancmri_jax.latents.steps import differences, retained_motion
from gancmri_jax.metrics.features import Progress
from gancmri_jax.metrics.sources import Cines, Generated
from gancmri_jax.model.file import load_model, save_model
from gancmri_jax.model.fit import fit_directions, fit_motion, with_fit
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import Motion
from gancmri_jax.projection.settings import Settings, Start
from gancmri_jax.projection.store import read_latents
from gancmri_jax.projection.study import project_study
from gancmri_jax.training.loop import train

_SEGMENTER = "demo"  # whose segmenter measures where the model has none: it ships with the package
_FITTED = "model.safetensors"
_FRAMES = 50


def reproduce(
    out: pathlib.Path,
    scale: Scale,
    *,
    model_name: str | None = None,
    config: pathlib.Path | None = None,
    seed: int = 1,
    tell: Tell = lambda line: None,
    on_start: Progress = lambda what, total: lambda done: None,
) -> pathlib.Path:
    """Rerun the paper on phantoms and write one report; what is done in `out` stays.

    Args:
        out: Folder of the run.
        scale: How much of everything.
        model_name: The model; without it, one is trained.
        config: What it is trained by, a file like `configs/phantom64.py`.
        seed: Of the phantoms, and of everything that is drawn.
        tell: Is told a line for each stage.
        on_start: Told of each long piece of work and how many items it has; what it returns is
            told how many are done.

    Returns:
        The report, `report.md`; `report.html` and all figures and films lie beside it.

    Raises:
        InputError: The model cannot be used, or `out` cannot, or holds another run. What is only
            measured by something that is not there is left out, and the report says why.
    """
    model, trained_by = None, None
    if model_name is not None:
        model = load_model(model_name)
        model.insist_grey()
    elif config is not None:
        trained_by = read_config(config)
    else:
        raise InputError("give a model, or a configuration to train one by")
    size = model.resolution if model is not None else int(trained_by.resolution)  # type: ignore[union-attr]
    settings = {
        "scale": dataclasses.asdict(scale),
        "seed": seed,
        "model": None if model is None else _identity(model_name, model),
        "config": None if trained_by is None else trained_by.to_dict(),
    }
    journal = Journal(out, settings, tell)

    # Data.
    phantoms, records = out / "phantoms", out / "records"
    journal.stage(
        "phantoms",
        functools.partial(_make_phantoms, phantoms, scale.subjects, size, seed, on_start),
        lambda r: f"{r['subjects']} hearts of {_FRAMES} frames at {size}²",
    )
    journal.stage(
        "records",
        functools.partial(_make_records, phantoms, records, size),
        lambda r: ", ".join(f"{n} {split}" for split, n in r["videos"].items()),
    )

    # Model.
    if model is None:
        assert trained_by is not None
        journal.stage(
            "train",
            functools.partial(_train, trained_by, records, out / "train"),
            lambda r: f"{r['kimg']:g} kimg",
        )
        model = load_model(str(out / "train"))
    if borrowed := model.segmenter is None:
        model = dataclasses.replace(model, segmenter=load_model(_SEGMENTER).segmenter)

    # Codes, motion and directions.
    train_set, test_set = Records(records, "train"), Records(records, "test")
    beats = train_set[: scale.beats]
    pairs = train_set[scale.beats : scale.beats + scale.pairs] or beats
    halved = test_set[: scale.halved]
    project = functools.partial(_project, model, out, scale, seed, on_start)
    for name, cines, which in (
        ("beats", beats, "all"),
        ("pairs", pairs, "ed-es"),
        ("halved", [halve(cine) for cine in halved], "all"),
    ):
        journal.stage(
            f"codes-{name}",
            functools.partial(project, name, cines, which),
            lambda r: f"{r['frames']} frames of {r['videos']} videos, {r['distance']}",
        )
    codes = {name: _codes(out, name) for name in ("beats", "pairs", "halved")}
    journal.stage(
        "fit",
        functools.partial(
            _fit, model, codes, records / "phenotypes.csv", _spacing_mm(beats), out / _FITTED
        ),
        lambda r: f"goes {r['retained_motion']:.0%} of the way to ES, by frame {r['at_frame']}",
    )
    model = load_model(str(out / _FITTED))

    # Measures.
    real = Cines("phantoms", Records(records, *record_splits(records)))
    journal.stage(
        "figures", functools.partial(_draw, model, real, out), lambda r: "Figures 2, 3, 5 and 8"
    )
    journal.attempt(
        "films",
        functools.partial(measures.films, model, beats, codes["beats"], out),
        lambda r: f"{r['hearts']} hearts of each kind",
    )
    journal.attempt(
        "superres",
        functools.partial(measures.superresolution, model, halved, codes["halved"], out, on_start),
        lambda r: r["verdict"],
    )
    journal.attempt(
        "movement",
        functools.partial(
            measures.movements, model, beats, codes["beats"], out, scale.moving, on_start
        ),
        lambda r: f"{r['videos']} videos of each kind",
    )
    journal.attempt(
        "speed",
        functools.partial(measures.seconds_per_video, model, scale.trials, on_start),
        lambda r: ", ".join(f"{n} {s[0]:.2f} s" for n, s in r["seconds_of"].items()),
    )
    journal.attempt(
        "guidance",
        functools.partial(measures.guidance, model, scale.hearts, seed, out, on_start),
        lambda r: ", ".join(f"{n} r = {p['pearson_r']}" for n, p in r["phenotypes"].items()),
    )
    for base in ("fid", "fcn_fd", "cfid"):
        journal.attempt(
            base,
            functools.partial(
                measures.frame_distance, base, model, real, scale.frames, seed, on_start
            ),
            lambda r: r["line"],
        )
    journal.attempt(
        "fvd",
        functools.partial(measures.video_distances, model, real, scale.clips, seed, on_start),
        lambda r: f"{r['clips']} clips of each set",
    )

    rerun = Rerun(
        scale,
        journal.results,
        journal.missing,
        model=(model_name, model.fingerprint),
        resolution=size,
        seed=seed,
        borrowed_segmenter=borrowed,
    )
    write_report(out, sections(rerun))
    return out / "report.md"


def read_config(path: pathlib.Path) -> ConfigDict:
    """Read a training configuration from a file that has `get_config`.

    Raises:
        InputError: There is no such file, or it has none.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such configuration to train by; give --config, or a --model, as demo"
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        return module.get_config()
    except Exception as error:  # a configuration is a program, which can fail in any way
        raise InputError(f"{path}: is no configuration ({error})") from error


def _identity(name: str | None, model: Model) -> dict[str, Any]:
    parts = {"segmenter": model.segmenter, "encoder": model.encoder}
    return {
        "name": name,
        "is": model.fingerprint,
        **{part: network and network.fingerprint for part, network in parts.items()},
    }


def _make_phantoms(
    folder: pathlib.Path, subjects: int, size: int, seed: int, on_start: Progress
) -> Result:
    told = on_start("phantoms", subjects)

    def indices():
        for index in range(subjects):
            yield index
            told(1)

    write_phantoms(folder, indices(), size, _FRAMES, seed)
    return {"subjects": subjects}


def _make_records(phantoms: pathlib.Path, records: pathlib.Path, size: int) -> Result:
    # Phantoms have no identity to protect, and their names find them in phenotypes.csv.
    card = prepare(phantoms, records, Options(size, keep_ids=True), on_refusal=insist)
    if "test" not in card["videos"]:
        raise InputError(f"{CARD}: too few subjects for a test split; ten are the least")
    return {"videos": card["videos"], "frames": card["frames"]}


def _train(config: ConfigDict, records: pathlib.Path, workdir: pathlib.Path) -> Result:
    config = ConfigDict(config)
    config.data = str(records)
    train(config, workdir)
    return {"kimg": config.total_kimg}


def _project(
    model: Model,
    out: pathlib.Path,
    scale: Scale,
    seed: int,
    on_start: Progress,
    name: str,
    cines: Sequence[Cine],
    which: Any,
) -> Result:
    start: Start = "mean" if model.encoder is None else "encoder"
    steps = scale.projection_steps
    settings = Settings(steps, distance=scale.distance, start=start)
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
        on_start=begin,
        on_steps=advance,
    )
    codes, provenance = read_latents(_store(out, name))
    distances = codes.distances[codes.valid]
    return {
        "videos": len(codes.subjects),
        "frames": len(distances),
        "steps": steps,
        "start": start,
        "mean_distance": float(distances.mean()),
        "distance": f"{provenance['distance']} distance {distances.mean():.4f}",
    }


def _store(out: pathlib.Path, name: str) -> pathlib.Path:
    return out / "codes" / f"{name}.zarr"


def _codes(out: pathlib.Path, name: str) -> Codes:
    codes, _ = read_latents(_store(out, name))
    return codes


def _fit(
    model: Model,
    codes: dict[str, Codes],
    table: pathlib.Path,
    spacing_mm: tuple[float, float],
    path: pathlib.Path,
) -> Result:
    known = concatenate([codes["beats"], codes["pairs"]])
    trajectories, counts = fit_motion(known, _FRAMES)
    phenotypes = read_phenotypes(table)
    directions, videos = fit_directions(known, phenotypes)
    # A segmenter measures generated hearts in millimetres, which they have from these.
    card = {"spacing_mm": list(spacing_mm), **model.card}
    model = dataclasses.replace(model, card=card)
    fitted = with_fit(model, trajectories, directions, {"counts": counts | videos})
    save_model(fitted, path)
    steps = differences(fitted.beat(fitted.sample(0), Motion("frame-to-frame", _FRAMES)))
    kept = retained_motion(steps, trajectories["ed_to_es"])
    return {
        "counts": counts | videos,
        "low_high": {name: _low_high(known, phenotypes, name) for name in measures.GUIDED},
        "retained_motion": kept.peak,
        "at_frame": kept.frame + 1,
    }


def _low_high(codes: Codes, phenotypes: Phenotypes, direction: str) -> list[int]:
    """Return how many subjects are below and above the mean, as a direction takes them."""
    column = {"lv_area": "lv_area_ed_cm2"}.get(direction, direction)
    values = np.array([phenotypes[s][column] for s in codes.subjects if s in phenotypes])
    return [int((values < values.mean()).sum()), int((values > values.mean()).sum())]


def _spacing_mm(cines: Sequence[Cine]) -> tuple[float, float]:
    rows, columns = np.median([cine.spacing_mm for cine in cines], axis=0).round(4)
    return float(rows), float(columns)


def _draw(model: Model, real: Cines, out: pathlib.Path) -> Result:
    figures.draw_motion(out / "figure2.png", model)
    fake = np.stack(list(Generated("generated", model, Motion()).frames(4, 0)))
    figures.draw_frames(out / "figure3.png", fake, np.stack(list(real.frames(4, 0))))
    figures.draw_guided_frames(out / "figure5.png", model, "sphericity_index")
    figures.draw_guided_frames(out / "figure8.png", model, "lv_area")
    return {}
