"""What a rerun of the paper measures, each as JSON-like results (GANcMRI, sections 3.3.5 and 4)."""

import dataclasses
import functools
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.phantom import phantom
from gancmri_jax.cine.pictures import UNKNOWN_MM
from gancmri_jax.cine.video_file import write_mp4
from gancmri_jax.errors import InputError
from gancmri_jax.experiments.figures import draw_guided_values, draw_movement
from gancmri_jax.experiments.hardware import hardware
from gancmri_jax.experiments.temporal_superres import (
    draw_strangest,
    recover_all,
    summarize,
    verdict,
    write_rows,
)
from gancmri_jax.latents.codes import Codes
from gancmri_jax.metrics.evaluate import Evaluation
from gancmri_jax.metrics.fvd_table import fvd_table
from gancmri_jax.metrics.movement import movement
from gancmri_jax.metrics.names import parse_metric
from gancmri_jax.metrics.protocol import OnStart, Protocol
from gancmri_jax.metrics.sets import CineSet, GeneratedSet
from gancmri_jax.model.model import Model, learned_direction
from gancmri_jax.model.motion import Motion
from gancmri_jax.physiology.guidance import DIRECTIONS
from gancmri_jax.physiology.guidance_report import measure_guidance, summarise
from gancmri_jax.projection.study import codes_of
from gancmri_jax.video.render import render_uint8
from gancmri_jax.video.superres import super_resolve

METHODS = ("ed-to-es", "frame-to-frame")
GUIDED = ("sphericity_index", "lv_area")

_STILL_FRAMES = 16  # what a clip takes


def frame_distance(
    base: str, model: Model, real: CineSet, most: int, seed: int, on_start: OnStart
) -> dict[str, Any]:
    """Return the card of a distance between generated frames and as many real ones.

    Raises:
        InputError: What the distance needs cannot be had.
    """
    count = min(most, real.num_frames)
    segmenter = None if model.segmenter is None else (model.segmenter, "the model")
    protocol = Protocol(seed, segmenter=segmenter)
    fake = GeneratedSet("generated", model, Motion())
    metric = parse_metric(f"{base}{count}")
    return Evaluation(real, fake, protocol, on_start).measure(metric).as_json()


def video_distances(
    model: Model, real: CineSet, clips: int, seed: int, on_start: OnStart
) -> dict[str, Any]:
    """Return Table 1: FVD between real videos and those of each method, and of hearts at rest.

    The hearts at rest are a baseline: generated hearts, without any motion.

    Raises:
        InputError: Too few videos, or the weights of I3D cannot be had.
    """
    clips = min(clips, real.num_videos)
    sets = {"real": real} | {name: GeneratedSet(name, model, Motion(name)) for name in METHODS}
    sets["still"] = CineSet("still", [_at_rest(model, heart) for heart in range(clips)])
    metric = dataclasses.replace(parse_metric("fvd16_equispaced"), count=clips)
    table, half = fvd_table(sets, metric, Protocol(seed), on_start)  # type: ignore[arg-type]
    return {"clips": half, "table": [[*pair, value] for pair, value in table.items()]}


def _at_rest(model: Model, heart: int) -> Cine:
    frame = render_uint8(model, model.at_ed(model.sample(heart))[None])
    return Cine(frame.repeat(_STILL_FRAMES, axis=0), UNKNOWN_MM, None, f"heart-{heart:04d}")


def superresolution(
    model: Model, cines: Sequence[Cine], codes: Codes, folder: pathlib.Path, on_start: OnStart
) -> dict[str, Any]:
    """Find every second frame of real videos again; leave `superres.csv` and `superres.png`."""
    told = on_start("superres", len(cines))
    recoveries = []
    for index, cine in enumerate(cines):
        recoveries += recover_all(model, [cine], _only(codes, index))
        told(1)
    rows = summarize(recoveries)
    write_rows(folder / "superres.csv", rows)
    draw_strangest(folder / "superres.png", recoveries)
    return {
        "videos": len(cines),
        "frames": sum(r.interior for r in recoveries),
        "rows": [{k: None if v != v else v for k, v in row._asdict().items()} for row in rows],
        "verdict": verdict(rows),
    }


def _only(codes: Codes, video: int) -> Codes:
    fields = {f.name: getattr(codes, f.name)[video : video + 1] for f in dataclasses.fields(codes)}
    return Codes(**fields)


def movements(
    model: Model,
    cines: Sequence[Cine],
    codes: Codes,
    folder: pathlib.Path,
    most: int,
    on_start: OnStart,
) -> dict[str, Any]:
    """Measure how each kind of video moves, the part of Figure 4 that needs no cardiologist.

    Args:
        model: The generator, with its motion.
        cines: Real videos.
        codes: Of all their frames, for what is super-resolved.
        folder: Gets `figure4.png`.
        most: Videos of each kind at most.
        on_start: Told how far it is.
    """
    count = min(most, len(cines))
    kinds: dict[str, Callable[[int], np.ndarray]] = {
        "real": lambda i: cines[i].pixels,
        "super-resolved, 100 frames": lambda i: doubled(model, cines[i], codes, i).pixels,
    }
    for method in METHODS:
        kinds[method] = functools.partial(generated_video, model, method)
    kinds["still"] = lambda i: _at_rest(model, i).pixels
    told = on_start("movement", count * len(kinds))
    found: dict[str, dict[str, float]] = {}
    for kind, video in kinds.items():
        measured = []
        for index in range(count):
            measured.append(dataclasses.asdict(movement(video(index))))
            told(1)
        found[kind] = {k: float(np.median([m[k] for m in measured])) for k in measured[0]}
    draw_movement(folder / "figure4.png", found)
    return {"videos": count, "median": found}


def generated_video(model: Model, method: str, heart: int) -> np.ndarray:
    """Return the beat of a heart by a method, as bytes [t h w]."""
    return render_uint8(model, model.beat(model.at_ed(model.sample(heart)), Motion(method)))


def guidance(
    model: Model, hearts: int, seed: int, folder: pathlib.Path, on_start: OnStart
) -> dict[str, Any]:
    """Return Pearson's r of c and each phenotype, and leave `figure9.png`.

    As a baseline stands r along a direction of the same length that was drawn at random: any
    direction changes hearts gradually, so that its r need not be small.

    Raises:
        InputError: The model lacks a direction, or what measures hearts.
    """
    told = on_start("guidance", 4 * hearts)
    found = measure_guidance(model, GUIDED, hearts, on_heart=lambda: told(1))
    keys = jax.random.split(jax.random.key(seed), len(GUIDED))
    anywhere = {
        name: _of_same_length(key, learned_direction(model.directions, name))
        for name, key in zip(GUIDED, keys, strict=True)
    }
    lost = dataclasses.replace(model, directions=anywhere)
    drawn = summarise(measure_guidance(lost, GUIDED, hearts, on_heart=lambda: told(1)), lost)
    columns = {direction: column for column, direction in DIRECTIONS.items()}
    values = {columns[name]: found.measured[name][columns[name]] for name in GUIDED}
    draw_guided_values(folder / "figure9.png", found.amounts, values)
    return {
        "hearts": hearts,
        "amounts": len(found.amounts),
        "phenotypes": summarise(found, model),
        "random": {name: drawn[name]["pearson_r"] for name in GUIDED},
    }


def _of_same_length(key: PRNGKeyArray, direction: Float[Array, "num_ws w_dim"]) -> Array:
    """Return a random direction in W, one row for all, as long as another."""
    row = jnp.broadcast_to(jax.random.normal(key, direction.shape[-1:])[None], direction.shape)
    return row * (jnp.linalg.norm(direction) / jnp.linalg.norm(row))


def seconds_per_video(model: Model, trials: int, on_start: OnStart) -> dict[str, Any]:
    """Time the making of a 50-frame video by each method, compiled before, and of a phantom's."""
    works: dict[str, Callable[[int], object]] = {
        name: functools.partial(generated_video, model, name) for name in METHODS
    }
    works["phantom"] = lambda heart: phantom(0, heart, model.resolution, 50)
    told = on_start("speed", len(works) * (trials + 1))
    found = {}
    for name, work in works.items():
        times = []
        for trial in range(trials + 1):
            start = time.perf_counter()
            work(trial)
            times.append(time.perf_counter() - start)
            told(1)
        kept = times[1:]
        found[name] = [float(np.mean(kept)), float(np.std(kept, ddof=1)) if trials > 1 else 0.0]
    return {"trials": trials, "hardware": hardware(), "seconds_of": found}


def films(
    model: Model, cines: Sequence[Cine], codes: Codes, folder: pathlib.Path, hearts: int = 4
) -> dict[str, Any]:
    """Write `videos.mp4`, rows of real, ED-to-ES and frame-to-frame hearts, and `superres.mp4`.

    The second shows a cine beside itself at twice its frame rate.

    Raises:
        InputError: No cine has as many frames as the model's videos.
    """
    fifty = [cine for cine in cines if len(cine.pixels) == 50][:hearts]
    if not fifty:
        raise InputError("no real video has 50 frames, to be shown beside the generated ones")
    rows = [np.concatenate([cine.pixels for cine in fifty], axis=2)]
    for method in METHODS:
        made = [generated_video(model, method, heart) for heart in range(len(fifty))]
        rows.append(np.concatenate(made, axis=2))
    frame_ms = fifty[0].frame_ms or 20.0
    write_mp4(folder / "videos.mp4", np.concatenate(rows, axis=1), frame_ms)
    first = cines[0]
    dense = doubled(model, first, codes, 0)
    both = np.concatenate([first.pixels.repeat(2, axis=0), dense.pixels], axis=2)
    write_mp4(folder / "superres.mp4", both, dense.shown_frame_ms)
    return {"hearts": len(fifty)}


def doubled(model: Model, cine: Cine, codes: Codes, video: int) -> Cine:
    """Return a closed beat at twice its frame rate, super-resolved by the residual method.

    Raises:
        InputError: The search for one of its frames broke off.
    """
    ws = codes_of(codes, video)
    return super_resolve(model, cine, ws, 2, method="residual", closed=True).cine
