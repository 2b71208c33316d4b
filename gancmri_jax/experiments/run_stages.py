"""The stages of a whole study, each from what the one before left: a function, a JSON result."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.origin import describe
from gancmri_jax.cine.phenotypes import read_phenotypes
from gancmri_jax.cine.pictures import UNKNOWN_MM
from gancmri_jax.cine.prepare import Options as PrepareOptions
from gancmri_jax.cine.prepare import prepare
from gancmri_jax.cine.read import Extra
from gancmri_jax.cine.records import Records, is_records, record_splits
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.video_file import write_mp4
from gancmri_jax.cine.write import SUFFIXES, write_cine
from gancmri_jax.disclaimer import NOT_FOR_DIAGNOSIS
from gancmri_jax.errors import InputError
from gancmri_jax.experiments.figures import draw_guided_frames
from gancmri_jax.experiments.journal import Result
from gancmri_jax.fitting.fit import FitOptions, FitReport, fit
from gancmri_jax.metrics.audit import audit_model
from gancmri_jax.metrics.compare import evaluate
from gancmri_jax.metrics.names import parse_metric
from gancmri_jax.metrics.protocol import OnStart, Protocol
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import Motion
from gancmri_jax.physiology.outputs import segment_cine, unique_names, write_findings
from gancmri_jax.projection.distance import Distance
from gancmri_jax.projection.report import summarize, write_report
from gancmri_jax.projection.settings import Dtype, Settings
from gancmri_jax.projection.start import best_start
from gancmri_jax.projection.store import read_quality
from gancmri_jax.projection.study import Which, project_study
from gancmri_jax.training.loop import train
from gancmri_jax.video.render import render_uint8

FRAMES = 50  # of a generated beat
FRAME_MS = 20.0  # of a model that knows no better
SHOWN = 4  # hearts side by side in the report's film
GUIDED = ("lv_area", "sphericity_index")
STEPS = {"encoder": 100, "mean": 1000}  # of a projection, by where it starts


def make_records(
    source: pathlib.Path,
    records: pathlib.Path,
    options: PrepareOptions,
    on_start: OnStart,
    on_refusal: Callable[[Refusal], None],
    on_extra: Callable[[Extra], None],
    workers: int | None,
) -> Result:
    """Write records of all cines, or count those of an input that holds records."""
    if is_records(source):
        counts: dict[str, Any] = {"subjects": {}, "videos": {}, "frames": {}}
        for split in record_splits(source):
            cines = Records(source, split)
            counts["videos"][split] = len(cines)
            counts["frames"][split] = sum(cines.num_frames)
        return {**counts, "refused": 0}
    advance: list[Callable[[int], object]] = []
    before = 0

    def on_subject(done: int, total: int) -> None:
        nonlocal before
        if not advance:
            advance.append(on_start("prepare", total))
        advance[0](done - before)
        before = done

    card = prepare(
        source,
        records,
        options,
        on_refusal=on_refusal,
        on_subject=on_subject,
        on_extra=on_extra,
        workers=workers,
    )
    counts = {name: card[name] for name in ("subjects", "videos", "frames")}
    return {**counts, "refused": len(card["refused"])}


def train_model(config: ConfigDict, records: pathlib.Path, workdir: pathlib.Path) -> Result:
    """Train by a configuration on the records; a run that broke off goes on."""
    config = ConfigDict(config)
    config.data = str(records)
    train(config, workdir)
    return {"kimg": config.total_kimg}


def measure_phenotypes(
    model: Model, cines: Sequence[Cine], folder: pathlib.Path, on_start: OnStart
) -> Result:
    """Segment cines and write `phenotypes.csv`, with masks and overlays, into a folder.

    Raises:
        InputError: No cine can be segmented.
    """
    assert model.segmenter is not None
    advance = on_start("segment", len(cines))
    findings, skipped = {}, 0
    for name, cine in zip(unique_names(cines), cines, strict=True):
        try:
            _, findings[name] = segment_cine(model.segmenter, cine, folder / name)
        except InputError:
            skipped += 1
        advance(1)
    if not findings:
        raise InputError("no cine can be segmented; phenotypes are unknown")
    write_findings(folder, findings, model.segmenter)
    flagged = sum(bool(found.flags) for found in findings.values())
    return {"videos": len(findings), "flagged": flagged, "skipped": skipped}


def projection_settings(model: Model, steps: int | None, distance: Distance) -> Settings:
    """Return how frames are projected: from the encoder's prediction, where there is an encoder."""
    start = best_start(model)
    dtype: Dtype = "float32" if jax.default_backend() == "cpu" else "bfloat16"
    return Settings(steps or STEPS[start], distance=distance, start=start, dtype=dtype)


def project_cines(
    model: Model,
    cines: Sequence[Cine],
    store: pathlib.Path,
    settings: Settings,
    which: Which,
    seed: int,
    on_start: OnStart,
) -> Result:
    """Find the codes of cines, and say how well: `STORE-report/worst.png` and `distances.png`."""
    advance: list[Callable[[int], object]] = []
    taken = 0.0  # steps of all frames together

    def begin(todo: int, done: int) -> None:
        advance.append(on_start(f"project {store.stem}", todo))

    def on_steps(frame_steps: float) -> None:
        nonlocal taken
        before, taken = taken // settings.num_steps, taken + frame_steps
        advance[0](int(taken // settings.num_steps - before))

    project_study(
        model,
        cines,
        store,
        settings,
        which=which,
        seed=seed,
        on_start=begin,
        on_steps=on_steps,
    )
    write_report(store.with_name(f"{store.stem}-report"), store, model, cines)
    quality = read_quality(store)
    projected = quality.steps > 0
    return {
        "videos": len(quality.subjects),
        "frames": int(projected.sum()),
        "steps": settings.num_steps,
        "start": settings.start,
        "line": summarize(store)[0].partition("; ")[2],
        "flagged": int((quality.flags[projected] != 0).sum()),
    }


def fit_model(
    model: Model, stores: Sequence[pathlib.Path], table: pathlib.Path | None, out: pathlib.Path
) -> Result:
    """Learn motion and directions, calibrated where that can be; say what could not be learned."""
    tried = [FitOptions(num_frames=FRAMES)]
    if table is not None:
        plain = FitOptions(table, num_frames=FRAMES)
        tried = [plain, *tried]
        if any("lv_fac_percent" in row for row in read_phenotypes(table).values()):
            tried = [dataclasses.replace(plain, calibrate=True), *tried]
    left_out: list[str] = []
    report: FitReport | None = None
    for options in tried:
        try:
            report = fit(model, stores, out, options)
            break
        except InputError as error:
            if options is tried[-1]:
                raise
            what = "calibration of motion" if options.calibrate else "phenotype directions"
            left_out.append(f"{what}: {error}")
    assert report is not None
    return {
        "counts": report.counts,
        "contraction_r2": report.contraction_r2,
        "directions": report.directions,
        "calibration": None if report.calibration is None else str(report.calibration),
        "fac_percent": report.fac_percent,
        "flagged_left_out": len(report.left_out),
        "left_out": left_out,
        "motions": {name: figures._asdict() for name, figures in report.figures.items()},
    }


def synthesize(
    model: Model, cines: Sequence[Cine], hearts: int, out: pathlib.Path, on_start: OnStart
) -> Result:
    """Write videos of generated hearts, a film of them beside real ones, and directions."""
    folder, frame_ms = out / "videos", model.frame_ms or FRAME_MS
    folder.mkdir(parents=True, exist_ok=True)
    advance = on_start("synthesize", hearts)
    for heart in range(hearts):
        subject = f"heart-{heart:04d}"
        cine = Cine(_beat(model, heart), model.spacing_mm or UNKNOWN_MM, frame_ms, subject)
        for form in ("mp4", "gif"):
            write_cine(folder / f"{subject}{SUFFIXES[form]}", cine, None)
        advance(1)
    real = [cine.pixels[np.arange(FRAMES) * len(cine.pixels) // FRAMES] for cine in cines[:SHOWN]]
    made = [_beat(model, heart) for heart in range(len(real))]
    film = np.concatenate([np.concatenate(row, axis=2) for row in (real, made)], axis=1)
    comment = f"real hearts above, {describe(None).partition(';')[0]} below; {NOT_FOR_DIAGNOSIS}"
    write_mp4(out / "hearts.mp4", film, frame_ms, comment)
    shown = [name for name in GUIDED if name in model.directions]
    for name in shown:
        draw_guided_frames(out / f"{name}.png", model, name)
    return {"hearts": hearts, "guided": shown, "beside": len(real)}


def _beat(model: Model, heart: int) -> np.ndarray:
    return render_uint8(model, model.beat(model.at_ed(model.sample(heart)), Motion()))


def metric_names(records: pathlib.Path, frames: int) -> list[str]:
    """Return the metrics of a study, which take as many frames as the test split has at most."""
    splits = record_splits(records)
    measured = ["test"] if "test" in splits else splits
    most = sum(sum(Records(records, split).num_frames) for split in measured)
    count = min(frames, most)
    return [f"fcn_fd{count}", f"fid{count}", "fvd16_equispaced", "roughness", "closure"]


def measure_metric(
    name: str,
    records: pathlib.Path,
    model: Model,
    segmenter: str,
    seed: int,
    on_start: OnStart,
) -> Result:
    """Return the card of a metric between the test split and generated hearts."""
    protocol = Protocol(seed)
    if parse_metric(name).metric.backbone == "segmenter":
        protocol = Protocol(seed, segmenter=(model.segmenter, segmenter))
    (card,) = evaluate(records, model, [name], protocol=protocol, on_start=on_start)
    return card.as_json()


def audit(
    records: pathlib.Path,
    model: Model,
    segmenter: str,
    frames: int,
    seed: int,
    out: pathlib.Path,
    on_start: OnStart,
) -> Result:
    """Look for copies of training frames.

    Raises:
        InputError: No subject, or fewer than 100 frames, are held out.
    """
    held_out = [split for split in record_splits(records) if split != "train"]
    if not held_out:
        raise InputError("no subject is held out; that takes ten subjects or more")
    results = audit_model(
        records,
        model,
        out,
        segmenter=segmenter,
        held_out=held_out,
        frames=frames,
        seed=seed,
        on_start=on_start,
    )
    return {"spaces": [result.as_json() for result in results], "lines": list(map(str, results))}
