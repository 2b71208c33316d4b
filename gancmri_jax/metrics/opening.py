"""A set of frames and videos from whatever the user names: a model, codes, records or cines."""

import os
import pathlib
from collections.abc import Callable

import numpy as np

from gancmri_jax.cine.read import insist, read_model_cines
from gancmri_jax.cine.records import Records, is_records, measured_splits, record_splits
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.errors import InputError
from gancmri_jax.metrics.sets import CineSet, CodedSet, GeneratedSet, ImageSet
from gancmri_jax.model.file import EMBEDDED, load_model
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import Motion
from gancmri_jax.projection.store import is_store, read_latents, read_noise


def open_set(
    source: str | os.PathLike[str] | Model,
    *,
    split: str | None = None,
    size: int | None = None,
    motion: Motion | None = None,
    truncation: float = 1.0,
    store_model: str = "demo",
    on_refusal: Callable[[Refusal], None] = insist,
) -> ImageSet:
    """Return the set of a model, a latent store, records or cines.

    Args:
        source: `demo`, a model file, a run folder, a latent store, records, cines; or a model.
        split: Subjects of records: train, validation, test or all; by default test, or all where
            the records have no test split.
        size: Height and width that cine files are resized to; they need it.
        motion: Of a model's videos.
        truncation: ψ of a model's hearts.
        store_model: The model that a latent store was made with.
        on_refusal: Called with each cine file that is skipped.

    Raises:
        InputError: There is no such set, or it cannot be read.
    """
    motion = motion or Motion()
    if isinstance(source, Model):
        return GeneratedSet(f"model {source.fingerprint}", source, motion, truncation)
    name, path = os.fspath(source), pathlib.Path(source)
    is_run = (path / "model.safetensors").is_file()
    if name in EMBEDDED or path.suffix == ".safetensors" or is_run:
        return GeneratedSet(name, load_model(name), motion, truncation)
    if not path.exists():
        raise InputError(f"{path}: no such model, latent store, records or folder of cines")
    if is_store(path):
        return _coded_set(path, store_model)
    if is_records(path):
        if size is not None:
            raise InputError(f"{path}: records have a fixed size; remove --size")
        splits = measured_splits(path) if split is None else [split]
        if split == "all":
            splits = record_splits(path)
        shown = splits[0] if len(splits) == 1 else "all"
        return CineSet(f"{name} {shown}", Records(path, *splits))
    if size is None:
        raise InputError(f"{path}: cine files need --size, the height and width to resize them to")
    return CineSet(name, read_model_cines(path, size, on_refusal=on_refusal))


def _coded_set(path: pathlib.Path, store_model: str) -> CodedSet:
    codes, provenance = read_latents(path)
    model = load_model(store_model)
    if provenance.get("model") != model.fingerprint:
        raise InputError(
            f"{path}: its codes do not belong to model {store_model}; give --store-model"
        )
    videos = []
    for video, valid in enumerate(codes.valid):
        ws = codes.ws[video][valid]
        noise = [level[valid] for level in read_noise(path, video)]
        videos.append((ws, noise or [np.repeat(level, len(ws), axis=0) for level in model.noise]))
    return CodedSet(str(path), model, videos)
