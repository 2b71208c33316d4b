"""The paper, rerun on phantoms from nothing: data, model, codes, motion, measures, one report."""

import dataclasses
import functools
import os
import pathlib
from typing import Any

import numpy as np

from gancmri_jax.cine.records import Records, record_splits
from gancmri_jax.errors import InputError
from gancmri_jax.experiments import figures, making, measures
from gancmri_jax.experiments.journal import Journal, Result, Tell
from gancmri_jax.experiments.report import write_report
from gancmri_jax.experiments.scale import Scale
from gancmri_jax.experiments.sections import sections
from gancmri_jax.experiments.summary import Rerun
from gancmri_jax.experiments.temporal_superres import halve
from gancmri_jax.lock import one_run
from gancmri_jax.metrics.protocol import OnStart
from gancmri_jax.metrics.sets import CineSet, GeneratedSet
from gancmri_jax.model.file import load_model
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import Motion
from gancmri_jax.training.config import read_config

_SEGMENTER = "demo"  # whose segmenter measures where the model has none: it ships with the package
_FITTED = "model.safetensors"


def reproduce(
    out: pathlib.Path,
    scale: Scale,
    *,
    model_name: str | None = None,
    config: str | os.PathLike[str] | None = None,
    seed: int = 1,
    tell: Tell = lambda line: None,
    on_start: OnStart = lambda what, total: lambda done: None,
) -> pathlib.Path:
    """Rerun the paper on phantoms and write one report; what is done in `out` stays.

    Args:
        out: Folder of the run.
        scale: How much of everything.
        model_name: The model; without it, one is trained.
        config: What it is trained by: a configuration that ships with the package, or a file.
        seed: Of the phantoms, and of everything that is drawn.
        tell: Is told a line for each stage.
        on_start: Told of each long piece of work and how many items it has; what it returns is
            told how many are done.

    Returns:
        The report, `report.md`; `report.html` and all figures and films lie beside it.

    Raises:
        InputError: The model cannot be used, or `out` cannot, or holds another run or is in use by
            one. What is only measured by something that is not there is left out, and the report
            says why.
    """
    with one_run(out, "reproduce"):
        return _reproduce(out, scale, model_name, config, seed, tell, on_start)


def _reproduce(
    out: pathlib.Path,
    scale: Scale,
    model_name: str | None,
    config: str | os.PathLike[str] | None,
    seed: int,
    tell: Tell,
    on_start: OnStart,
) -> pathlib.Path:
    model, trained_by = None, None
    if model_name is not None:
        model = load_model(model_name)
        model.insist_grey()
        size = model.resolution
    elif config is not None:
        trained_by = read_config(config)
        size = int(trained_by.resolution)
    else:
        raise InputError("give a model, or a configuration to train one by")
    # Frames and clips are counted by their stages: a later run may take others.
    pinned = {k: v for k, v in dataclasses.asdict(scale).items() if k not in ("frames", "clips")}
    settings = {
        "scale": pinned,
        "seed": seed,
        "model": None if model is None else _identity(model_name, model),
        "config": None if trained_by is None else trained_by.to_dict(),
    }
    journal = Journal(out, settings, tell)

    # Data.
    phantoms, records = out / "phantoms", out / "records"
    journal.stage(
        "phantoms",
        functools.partial(making.make_phantoms, phantoms, scale.subjects, size, seed, on_start),
        lambda r: f"{r['subjects']} hearts of {making.FRAMES} frames at {size}²",
    )
    journal.stage(
        "records",
        functools.partial(making.make_records, phantoms, records, size),
        lambda r: ", ".join(f"{n} {split}" for split, n in r["videos"].items()),
    )

    # Model.
    if model is None:
        assert trained_by is not None
        journal.stage(
            "train",
            functools.partial(making.train_model, trained_by, records, out / "train"),
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
    project = functools.partial(making.project_cines, model, out, scale, seed, on_start)
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
    codes = {name: making.read_codes(out, name) for name in ("beats", "pairs", "halved")}
    journal.stage(
        "fit",
        functools.partial(
            making.fit_model,
            model,
            out,
            records / "phenotypes.csv",
            making.median_spacing_mm(beats),
            out / _FITTED,
        ),
        lambda r: f"goes {r['retained_motion']:.0%} of the way to ES, by frame {r['at_frame']}",
    )
    model = load_model(str(out / _FITTED))

    # Measures.
    real = CineSet("phantoms", Records(records, *record_splits(records)))
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
            scale.frames,
        )
    journal.attempt(
        "fvd",
        functools.partial(measures.video_distances, model, real, scale.clips, seed, on_start),
        lambda r: f"{r['clips']} clips of each set",
        scale.clips,
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


def _identity(name: str | None, model: Model) -> dict[str, Any]:
    parts = {"segmenter": model.segmenter, "encoder": model.encoder}
    return {
        "name": name,
        "is": model.fingerprint,
        **{part: network and network.fingerprint for part, network in parts.items()},
    }


def _draw(model: Model, real: CineSet, out: pathlib.Path) -> Result:
    figures.draw_motion(out / "figure2.png", model)
    fake = np.stack(list(GeneratedSet("generated", model, Motion()).frames(4, 0)))
    rows = {"generated": fake, "real (phantoms)": np.stack(list(real.frames(4, 0)))}
    figures.draw_frames(out / "figure3.png", rows)
    figures.draw_guided_frames(out / "figure5.png", model, "sphericity_index")
    figures.draw_guided_frames(out / "figure8.png", model, "lv_area")
    return {}
