"""The audit for copies of a model that was trained on records: `gancmri memorisation`."""

import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gancmri_jax.cine.records import Records
from gancmri_jax.errors import InputError
from gancmri_jax.metrics.memorisation import (
    Memorisation,
    Space,
    audit_memorisation,
    pixels,
    write_audit,
)
from gancmri_jax.metrics.opening import open_set
from gancmri_jax.metrics.protocol import OnStart
from gancmri_jax.metrics.sets import CineSet, ImageSet
from gancmri_jax.metrics.spaces import lpips_space, segmenter_space
from gancmri_jax.model.file import load_segmenter_of
from gancmri_jax.model.model import Model

SPACES = ("pixel", "lpips", "segmenter")


def audit_model(
    data: str | os.PathLike[str],
    fake: str | os.PathLike[str] | Model,
    out: pathlib.Path,
    *,
    spaces: Sequence[str] = ("pixel", "segmenter"),
    segmenter: str = "demo",
    held_out: Sequence[str] = ("test",),
    frames: int = 2000,
    seed: int = 0,
    on_start: OnStart = lambda what, total: lambda done: None,
) -> list[Memorisation]:
    """Test whether a model copies the hearts of its training records.

    Writes `memorisation.json` and pictures of the closest pairs to a folder.

    Args:
        data: Training records of the model.
        fake: Generated frames: a model, a latent store or records.
        out: The folder; it is made.
        spaces: Where distances are measured, of `SPACES`.
        segmenter: Of the space of this name: demo, a model file or a segmenter's run.
        held_out: The splits of the records that the model has not seen.
        frames: How many generated frames, and held-out ones, are compared at most.
        seed: Of the samples.
        on_start: Called as each long piece of work begins.

    Raises:
        InputError: A set cannot be read, there are fewer than 100 held-out frames, or `out` cannot
            be made.
    """
    path = pathlib.Path(data)
    train, others = (
        CineSet(f"{path} {'+'.join(splits)}", Records(path, *splits))
        for splits in (("train",), held_out)
    )
    generated = open_set(fake, split="all")
    shown, made = (np.stack(list(_frames(s, frames, seed))) for s in (others, generated))

    def training_frames() -> Iterator[np.ndarray]:
        advance = on_start("training frames", train.num_videos)
        for video in train.videos(train.num_videos):
            yield video
            advance(1)

    makers: dict[str, Callable[[], Space]] = {
        "pixel": lambda: pixels,
        "lpips": lpips_space,
        "segmenter": lambda: segmenter_space(load_segmenter_of(segmenter)),
    }
    chosen = {name: makers[name]() for name in dict.fromkeys(spaces)}
    results = audit_memorisation(training_frames, shown, made, chosen)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be made: {error}") from error
    protocol: dict[str, Any] = {
        "seed": seed,
        "segmenter": segmenter if "segmenter" in chosen else None,
    }
    counts = (train.num_frames, len(shown), len(made))
    sets = (train, others, generated)
    for name, images, count in zip(("train", "held_out", "fake"), sets, counts, strict=True):
        protocol[name] = {"set": images.name, "digest": images.digest, "frames": count}
    write_audit(out, results, protocol)
    return results


def _frames(source: ImageSet, most: int, seed: int) -> Iterator[np.ndarray]:
    return source.frames(min(most, source.num_frames or most), seed)
