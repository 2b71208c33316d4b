"""A whole study in one call: cines in, a model that generates hearts and one report out.

Each stage of `run_stages` leaves its result in the study's folder; a call that broke off goes on.
"""

import dataclasses
import functools
import math
import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.prepare import Options as PrepareOptions
from gancmri_jax.cine.prepare import fingerprint_input
from gancmri_jax.cine.read import Extra, ignore, insist
from gancmri_jax.cine.records import Records, is_records, record_splits
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.subject import subject_key
from gancmri_jax.cine.subjects import list_subjects
from gancmri_jax.errors import InputError
from gancmri_jax.experiments import run_stages as stages
from gancmri_jax.experiments.journal import Journal, Tell
from gancmri_jax.experiments.report import write_report
from gancmri_jax.experiments.run_report import Study, report_blocks
from gancmri_jax.lock import one_run
from gancmri_jax.metrics.protocol import OnStart
from gancmri_jax.model.file import load_model, load_segmenter_of
from gancmri_jax.model.model import Model
from gancmri_jax.projection.distance import Distance
from gancmri_jax.projection.study import Which
from gancmri_jax.training.config import check_config, read_config

MODEL = "model.safetensors"
REPORT = "report.html"


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """How much of everything.

    Attributes:
        beats: Training videos whose frames are all projected, for motion.
        pairs: Further training videos whose ED and ES frames are projected, for directions.
        steps: Of a projection; by default 100 from an encoder's prediction, 1000 from the mean w.
        distance: What projection minimises; see `gancmri project --help`.
        videos: Generated hearts that are written.
        frames: Frames of each set that metrics and the audit compare at most.
        seed: Of everything that is drawn, but for training, whose configuration has its own.
    """

    beats: int = 32
    pairs: int = 100
    steps: int | None = None
    distance: Distance = "auto"
    videos: int = 4
    frames: int = 2000
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a study's model comes from: a model that is there, or a configuration.

    Attributes:
        size: Of its frames.
        name: Of the model, as it was given; None where one is trained.
        model: The model; None where one is trained.
        config: What it is trained by.
    """

    size: int
    name: str | None = None
    model: Model | None = None
    config: ConfigDict | None = None


def find_origin(
    model: str | os.PathLike[str] | None, config: str | os.PathLike[str] | ConfigDict | None
) -> Origin:
    """Load the model, or read the configuration to train one by.

    Raises:
        InputError: It cannot be used, or neither is given, or both are.
    """
    if (model is None) == (config is None):
        raise InputError("give a model, or a configuration to train one by")
    if model is not None:
        loaded = load_model(model)
        loaded.insist_grey()
        return Origin(loaded.resolution, os.fspath(model), loaded)
    assert config is not None
    read = config if isinstance(config, ConfigDict) else read_config(config)
    check_config(read)
    return Origin(int(read.resolution), config=read)


def run(
    source: pathlib.Path,
    out: pathlib.Path,
    *,
    config: str | os.PathLike[str] | ConfigDict | None = None,
    model: str | os.PathLike[str] | None = None,
    segmenter: str = "demo",
    options: RunOptions | None = None,
    preparation: PrepareOptions | None = None,
    tell: Tell = lambda line: None,
    on_start: OnStart = lambda what, total: lambda done: None,
    on_refusal: Callable[[Refusal], None] = insist,
    on_extra: Callable[[Extra], None] = ignore,
    workers: int | None = 1,
) -> pathlib.Path:
    """Make a study of cines: records, a model, codes, motion, videos, metrics, and one report.

    A call that broke off goes on where it stopped when it is made again; finished stages stay.

    Args:
        source: Cines as `prepare` reads them, or training records.
        out: The study's folder.
        config: What the model is trained by: a configuration's name or file, or one that was read.
        model: A model to use instead of training one.
        segmenter: Measures hearts where the model has no segmenter of its own: demo, a model file
            or a segmenter's run.
        options: How much of everything.
        preparation: How cines are prepared; their size is the model's.
        tell: Called with a line for each stage.
        on_start: Called as each long piece of work begins, with its number of items; what it
            returns is called with how many are done.
        on_refusal: Called with each file that is skipped; by default it is an error.
        on_extra: Called with what was not taken, and how cines were chosen and timed.
        workers: Processes that read cines, as `prepare` takes them.

    Returns:
        The report, `OUT/report.html`, one file with all pictures and films. The model with its
        motion and directions is `OUT/model.safetensors`.

    Raises:
        InputError: The input, model or configuration cannot be used, or `out` cannot, holds a study
            that was made with other options, or is in use. A metric or an audit that cannot be made
            is left out, and the report says why.
    """
    options = options or RunOptions()
    origin = find_origin(model, config)
    preparation = dataclasses.replace(preparation or PrepareOptions(), size=origin.size)
    if out.resolve().is_relative_to(source.resolve()):
        raise InputError(f"{out}: lies inside the input; write the study somewhere else")
    settings = _settings(source, origin, segmenter, options, preparation)
    with one_run(out, "run"):
        journal = Journal(out, settings, tell)
        return _run(
            source,
            out,
            origin,
            segmenter,
            options,
            preparation,
            journal,
            on_start,
            on_refusal,
            on_extra,
            workers,
        )


def _settings(
    source: pathlib.Path,
    origin: Origin,
    segmenter: str,
    options: RunOptions,
    preparation: PrepareOptions,
) -> dict[str, Any]:
    """Return all that a study's results depend on."""
    if is_records(source):
        content: Any = [Records(source, split).fingerprint for split in record_splits(source)]
    else:
        list_subjects(source)  # refuses what holds none
        content = fingerprint_input(source, b"" if preparation.keep_ids else subject_key())
    model, config = origin.model, origin.config
    own = None if model is None else model.segmenter
    measured_by = own or load_segmenter_of(segmenter)
    return {
        **dataclasses.asdict(options),
        **{f"prepare.{name}": value for name, value in vars(preparation).items()},
        "input": content,
        "model": None if model is None else [model.fingerprint, model.encoder is not None],
        "segmenter": measured_by.fingerprint,
        "config": None if config is None else {**config.to_dict(), "data": ""},
    }


def _run(
    source: pathlib.Path,
    out: pathlib.Path,
    origin: Origin,
    segmenter: str,
    options: RunOptions,
    preparation: PrepareOptions,
    journal: Journal,
    on_start: OnStart,
    on_refusal: Callable[[Refusal], None],
    on_extra: Callable[[Extra], None],
    workers: int | None,
) -> pathlib.Path:
    # Data.
    records = source if is_records(source) else out / "records"
    journal.stage(
        "records",
        functools.partial(
            stages.make_records,
            source,
            records,
            preparation,
            on_start,
            on_refusal,
            on_extra,
            workers,
        ),
        lambda r: ", ".join(f"{n} {split} videos" for split, n in r["videos"].items()),
    )

    # Model.
    model = origin.model
    if model is None:
        assert origin.config is not None
        journal.stage(
            "train",
            functools.partial(stages.train_model, origin.config, records, out / "train"),
            lambda r: f"{r['kimg']:g} kimg",
        )
        model = load_model(out / "train")
    if borrowed := model.segmenter is None:
        model = dataclasses.replace(model, segmenter=load_segmenter_of(segmenter))

    # Codes of training videos, and what is known of their hearts.
    videos = Records(records, "train", most=options.beats + options.pairs)
    beats, pairs = videos[: options.beats], videos[options.beats :]
    if (spacing := _median_spacing_mm(videos)) and model.spacing_mm is None:
        model = dataclasses.replace(model, card={"spacing_mm": spacing, **model.card})
    table = records / "phenotypes.csv"
    if measured := not table.is_file():
        table = out / "phenotypes" / "phenotypes.csv"
        journal.attempt(
            "phenotypes",
            functools.partial(
                stages.measure_phenotypes, model, videos, out / "phenotypes", on_start
            ),
            lambda r: f"measured in {r['videos']} videos, {r['flagged']} of them flagged",
        )
    settings = stages.projection_settings(model, options.steps, options.distance)
    stores = []
    parts: list[tuple[str, list[Cine], Which]]
    parts = [("beats", beats, "all"), ("pairs", pairs, "ed-es")]
    for name, cines, which in parts:
        if cines:
            stores.append(out / "codes" / f"{name}.zarr")
            journal.stage(
                name,
                functools.partial(
                    stages.project_cines,
                    model,
                    cines,
                    stores[-1],
                    settings,
                    which,
                    options.seed,
                    on_start,
                ),
                lambda r: f"{r['frames']} frames of {r['videos']} videos; {r['line']}",
            )

    # Motion and directions.
    fitted = out / MODEL
    journal.stage(
        "fit",
        functools.partial(
            stages.fit_model, model, stores, table if table.is_file() else None, fitted
        ),
        lambda r: f"motions {', '.join(r['motions'])}; directions {', '.join(r['directions'])}",
    )
    model = load_model(fitted)

    # Hearts, and how good they are.
    shown = Records(records, "test" if "test" in record_splits(records) else "train")
    journal.stage(
        "synthesize",
        functools.partial(
            stages.synthesize, model, shown[: stages.SHOWN], options.videos, out, on_start
        ),
        lambda r: f"{r['hearts']} hearts in {out / 'videos'}",
    )
    metrics = stages.metric_names(records, options.frames)
    for name in metrics:
        journal.attempt(
            name,
            functools.partial(
                stages.measure_metric, name, records, model, str(fitted), options.seed, on_start
            ),
            lambda r: r["line"],
        )
    journal.attempt(
        "memorisation",
        functools.partial(
            stages.audit,
            records,
            model,
            str(fitted),
            options.frames,
            options.seed,
            out / "memorisation",
            on_start,
        ),
        lambda r: "; ".join(r["lines"]),
    )

    study = Study(
        results=journal.results,
        missing=journal.missing,
        metrics=metrics,
        folder=out,
        model=(origin.name, model.fingerprint),
        size=origin.size,
        options=dataclasses.asdict(options),
        borrowed_segmenter=borrowed,
        measured_phenotypes=measured,
    )
    write_report(out, report_blocks(study))
    return out / REPORT


def _median_spacing_mm(cines: Records) -> list[float] | None:
    known = [cine.spacing_mm for cine in cines if not math.isnan(cine.spacing_mm[0])]
    return np.median(known, axis=0).round(4).tolist() if known else None
