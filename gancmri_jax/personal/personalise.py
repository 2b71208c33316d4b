"""A model file for one patient's heart: its codes are searched for, and the generator tuned there.

What was done so far lies in a file beside the result, so that the same command goes on after an
interruption, to the same bits.
"""

import dataclasses
import hashlib
import pathlib
import shutil
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.preprocess import to_model_range, to_uint8
from gancmri_jax.cine.video_file import tile
from gancmri_jax.errors import InputError
from gancmri_jax.latents.closed_path import closed_path, wave_basis, waves_of
from gancmri_jax.latents.motions import OWN, Own
from gancmri_jax.latents.smoothing import fourier_smoother
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import Motion
from gancmri_jax.model.patient import PERSONAL
from gancmri_jax.personal.check import insist_beat
from gancmri_jax.personal.measure import (
    Replay,
    heart_region,
    measure_replay,
    others_change,
)
from gancmri_jax.personal.saved import load_tree, save_tree
from gancmri_jax.personal.settings import Settings
from gancmri_jax.personal.tuning import (
    Heart,
    Path,
    Problem,
    Search,
    Tuning,
    begin_search,
    begin_tuning,
    search_step,
    tuning_step,
)
from gancmri_jax.projection.start import w_statistics
from gancmri_jax.training.perceptual import Look
from gancmri_jax.version import __version__

SEARCH_SHARE = 0.2  # of `minutes`, at most
_SAVE_SECONDS = 20.0
_STATES = 6  # times the generator's size: what is kept on the way, twice while it is written
_NOT_OF_THE_TUNED = ("distances",)  # of a card: measured of the generator as it was


class Personal(NamedTuple):
    """A model tuned to one heart, and what was measured.

    Attributes:
        model: It has the motion `own`, and a mark on its card.
        before, after: The heart's replay by the generator as it was, and by the tuned one.
        others: By how many grey levels other hearts changed, root mean square.
        steps: Steps of tuning that were taken.
    """

    model: Model
    before: Replay
    after: Replay
    others: float
    steps: int

    def lines(self) -> list[str]:
        """Say what was measured, for a person."""
        before, after = self.before, self.after
        return [
            f"replay inside the heart: PSNR {after.psnr_db:.1f} dB (before tuning "
            f"{before.psnr_db:.1f}, a blend of neighbouring frames {after.blend_db:.1f}), worst "
            f"frame {after.worst_db:.1f} dB",
            f"{after.nearer_percent:.0f} % of frames are rendered at least as near as a blend of "
            "their neighbours is",
            f"other hearts changed by {self.others:.1f} grey levels; {self.steps} steps of tuning",
        ]


class _Run(NamedTuple):
    """All that a run has done: what is saved on the way."""

    search: Search
    tuning: Tuning
    seconds: Float[Array, ""]


def personalise(
    model: Model,
    cine: Cine,
    settings: Settings,
    on_the_way: pathlib.Path,
    *,
    looks: tuple[Look, ...] = (),
    minutes: float | None = None,
    ignore_flags: bool = False,
    on_step: Callable[[str, int, int], object] = lambda stage, done, total: None,
    save_seconds: float = _SAVE_SECONDS,
) -> Personal:
    """Tune a model to a heart.

    Args:
        model: The generator, with an encoder.
        cine: One whole beat in uint8, at the model's resolution.
        settings: How to search and to tune.
        on_the_way: File that keeps what was done so far; the caller removes it in the end.
        looks: Distances in features of frozen networks, beside those of pixels.
        minutes: Stop after so many, however many steps were taken.
        ignore_flags: Take a cine whose segmentation is flagged.
        on_step: Called with the stage, the steps done and all of them.
        save_seconds: Between two savings.

    Raises:
        InputError: The model has no encoder, the cine is not a beat, or the disk is full.
    """
    model.insist_grey()
    if model.encoder is None:
        raise InputError(
            "the model has no encoder, from which the search for a heart starts; put one in by "
            "`gancmri train-encoder`"
        )
    found = insist_beat(model, cine, ignore_flags)
    insist_room(on_the_way, model)
    frames = jnp.asarray(to_model_range(cine.pixels))[..., None]
    count = len(frames)
    basis = jnp.asarray(wave_basis(count, settings.harmonics), jnp.float32)
    guesses = jnp.concatenate([model.encode(frame[None]) for frame in frames])[:, None]
    problem = Problem(
        model.generator,
        dataclasses.replace(settings, seed=0, steps=0, search_steps=0),  # no part of programs
        model.params,
        model.noise,
        w_statistics(model, 1000).deviation,
        looks,
        jax.random.key(settings.seed),
        jnp.float32(settings.search_steps),
    )
    start = Path(jnp.mean(guesses, axis=0), waves_of(guesses, basis))
    run = _Run(begin_search(start), begin_tuning(problem, start), jnp.zeros(()))
    about = _about(model, cine, settings, looks)
    run = load_tree(on_the_way, run, about) or run
    region = heart_region(None if found is None else found.masks, cine.pixels.shape)
    heart = Heart(frames, basis, tuple(_still(region[0], level) for level in model.noise))
    clock = _Clock(float(run.seconds))

    def save(run: _Run) -> None:
        save_tree(on_the_way, run._replace(seconds=jnp.float32(clock.seconds)), about)

    run = _advance(
        run,
        "search",
        settings.search_steps,
        lambda run: run._replace(search=search_step(problem, heart, run.search)),
        lambda run: int(run.search.step),
        None if minutes is None else SEARCH_SHARE * 60 * minutes,
        clock,
        save,
        save_seconds,
        on_step,
    )
    pivot = run.search.path
    if not int(run.tuning.step):
        run = run._replace(tuning=begin_tuning(problem, pivot))
    run = _advance(
        run,
        "tune",
        settings.steps,
        lambda run: run._replace(tuning=tuning_step(problem, heart, run.tuning)),
        lambda run: int(run.tuning.step),
        None if minutes is None else 60 * minutes,
        clock,
        save,
        save_seconds,
        on_step,
    )
    average = run.tuning.average
    ws_before, ws = (
        jnp.broadcast_to(codes, (count, model.num_ws, model.w_dim))
        for codes in (closed_path(*path, basis) for path in (pivot, average.path))
    )
    tuned = dataclasses.replace(
        model,
        params={**model.params, "synthesis": average.synthesis},
        own_noise=average.noise,
        motion=model.motion.with_own(_own(ws, cine.ed_frame, settings.harmonics)),
    )
    before, after = (
        measure_replay(each, codes, cine.pixels, region, settings.frames)
        for each, codes in ((model, ws_before), (tuned.of_own_heart, ws))
    )
    others, steps = others_change(model, tuned, settings.frames), int(run.tuning.step)
    card = _card(model, cine, settings, looks, before, after, others, steps)
    return Personal(dataclasses.replace(tuned, card=card), before, after, others, steps)


def insist_room(path: pathlib.Path, model: Model) -> None:
    """See that a folder exists and has room for what a run keeps on the way.

    Raises:
        InputError: It does not.
    """
    folder = path.resolve().parent
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; make it, or choose another --out")
    need = _STATES * sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(model.params))
    if (free := shutil.disk_usage(folder).free) < need:
        raise InputError(
            f"{folder}: has {free / 1e6:.0f} MB free, and tuning needs {need / 1e6:.0f} MB; make "
            "room, or choose another --out"
        )


def film_strip(
    before: Model, after: Model, cine: Cine, columns: int = 8
) -> UInt8[np.ndarray, "h w"]:
    """Return frames of a cine, as the old model renders them, and as the personal one does.

    Three rows, from ED on.
    """
    count = len(cine.pixels)
    at = np.linspace(0, count, columns, endpoint=False).astype(int)
    path = own_path(after, count)[at]
    shown = [to_uint8(model.render(path)[..., 0]) for model in (before, after.of_own_heart)]
    real = np.roll(cine.pixels, -cine.ed_frame, axis=0)[at]
    return tile(np.concatenate([real, *shown]), columns)


def own_path(model: Model, num_frames: int) -> Float[Array, "t num_ws w_dim"]:
    """Return the path of the heart that a model was tuned to, from ED on.

    Raises:
        InputError: It was tuned to none.
    """
    return model.beat(model.motion.own_start, Motion(OWN, num_frames))


class _Clock:
    """The seconds that a run has taken, before an interruption too."""

    def __init__(self, before: float) -> None:
        self._before, self._begun = before, time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self._before + time.monotonic() - self._begun


def _advance(
    run: _Run,
    stage: str,
    total: int,
    step: Callable[[_Run], _Run],
    done: Callable[[_Run], int],
    until: float | None,
    clock: _Clock,
    save: Callable[[_Run], None],
    save_seconds: float,
    on_step: Callable[[str, int, int], object],
) -> _Run:
    """Take the steps of a stage that are left, and save what is done now and then."""
    saved = clock.seconds
    on_step(stage, done(run), total)
    begun = done(run)
    while done(run) < total and (until is None or clock.seconds < until):
        run = step(run)
        on_step(stage, done(run), total)
        if clock.seconds - saved >= save_seconds:
            save(run)
            saved = clock.seconds
    if done(run) > begun:
        save(run)
    return run


def _still(heart: Bool[np.ndarray, "h w"], level: Float[Array, "1 h w"]) -> Float[Array, "1 _ _"]:
    """Return how much of each pixel of a noise map lies outside of the heart."""
    size = level.shape[-1]
    part = len(heart) // size
    inside = heart.reshape(size, part, size, part).mean(axis=(1, 3))
    return jnp.asarray(1 - inside, jnp.float32)[None]


def _own(ws: Float[Array, "t num_ws w_dim"], ed_frame: int, harmonics: int) -> Own:
    """Return a path as a motion keeps it: by as many points as its harmonics need, from ED on."""
    most = min(harmonics, len(ws) // 4)
    smoother = jnp.asarray(fourier_smoother(len(ws), 2 * most + 1, most), jnp.float32)
    rolled = jnp.roll(ws, -ed_frame, axis=0)
    return Own(jnp.tensordot(smoother, rolled, axes=1, precision="highest"))


def _about(model: Model, cine: Cine, settings: Settings, looks: tuple[Look, ...]) -> dict[str, Any]:
    digest = hashlib.sha256(np.ascontiguousarray(cine.pixels).tobytes()).hexdigest()
    seen = hashlib.sha256()
    for look in looks:
        for leaf in jax.tree.leaves(look):
            seen.update(np.asarray(leaf).tobytes())
    return {
        "model": model.fingerprint,
        "frames": digest[:16],
        "ed_frame": cine.ed_frame,
        "looks": [[look.name, look.weight] for look in looks],
        "features": seen.hexdigest()[:16],
        **dataclasses.asdict(settings),
    }


def _card(
    model: Model,
    cine: Cine,
    settings: Settings,
    looks: tuple[Look, ...],
    before: Replay,
    after: Replay,
    others: float,
    steps: int,
) -> dict[str, Any]:
    """Return the model's card with the mark; spacing and timing become the heart's own."""
    card = {key: value for key, value in model.card.items() if key not in _NOT_OF_THE_TUNED}
    mark: dict[str, Any] = {
        "note": "made from one patient's images, which it renders; not to be published",
        "gancmri_jax": __version__,
        "from": model.fingerprint,
        "subject": cine.subject,
        "frames": len(cine.pixels),
        "steps": steps,
        "settings": dataclasses.asdict(settings),
        "looks": {look.name: look.weight for look in looks},
        "before": before._asdict(),
        "after": after._asdict(),
        "others_changed_grey_levels": others,
    }
    if not np.isnan(cine.spacing_mm[0]):
        mark["spacing_mm_before"] = card.get("spacing_mm")
        card["spacing_mm"] = list(cine.spacing_mm)
    if cine.frame_ms is not None:
        mark["frame_ms_before"] = card.get("frame_ms")
        card["frame_ms"] = cine.frame_ms
    return {**card, PERSONAL: mark}
