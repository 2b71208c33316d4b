"""What verbs share that compare sets: a set from whatever the user names."""

import pathlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from gancmri_jax.cli.motions import MOTION
from gancmri_jax.errors import InputError

if TYPE_CHECKING:  # they import JAX, which `--help` does not need
    from gancmri_jax.metrics.sets import ImageSet
    from gancmri_jax.model.motion import Motion

SPLITS = ("train", "validation", "test", "all")

SET_OPTIONS = (
    click.option(
        "--split",
        type=click.Choice(SPLITS),
        default="all",
        show_default=True,
        help="Subjects to use from training records.",
    ),
    click.option(
        "--size",
        type=click.IntRange(8),
        help="Height and width of a frame, in pixels, to which cine files are resized; only for "
        "sets that are cine files, and required for them.",
    ),
    MOTION,
    click.option(
        "--truncation",
        default=1.0,
        show_default=True,
        type=click.FloatRange(-2, 2),
        help="Truncation ψ: below 1, hearts are more typical and less varied.",
    ),
    click.option(
        "--store-model",
        default="demo",
        show_default=True,
        help="Model that a latent store was made with: demo, a model file or a run folder.",
    ),
)


def compares_sets(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options that say how a set is opened."""
    for option in reversed(SET_OPTIONS):
        verb = option(verb)
    return verb


def open_set(
    name: str,
    *,
    split: str,
    size: int | None,
    motion: "Motion",
    truncation: float,
    store_model: str,
) -> "ImageSet":
    """Return the set of a model, a latent store, records or cines.

    Raises:
        InputError: There is none, or it cannot be read.
    """
    from gancmri_jax.cine.read import read_model_cines
    from gancmri_jax.cine.records import Records, is_records, record_splits
    from gancmri_jax.metrics.sets import CineSet, CodedSet, GeneratedSet
    from gancmri_jax.model.file import EMBEDDED, load_model
    from gancmri_jax.projection.store import is_store, read_latents, read_noise

    path = pathlib.Path(name)
    is_run = (path / "model.safetensors").is_file()
    if name in EMBEDDED or path.suffix == ".safetensors" or is_run:
        return GeneratedSet(name, load_model(name), motion, truncation)
    if not path.exists():
        raise InputError(f"{path}: no such model, latent store, records or folder of cines")
    if is_store(path):
        codes, provenance = read_latents(path)
        model = load_model(store_model)
        if provenance.get("model") != model.fingerprint:
            raise InputError(
                f"{path}: its codes do not belong to model {store_model}; give --store-model"
            )
        videos = []
        for video, valid in enumerate(codes.valid):
            noise = [level[valid] for level in read_noise(path, video)]
            videos.append((codes.ws[video][valid], noise))
        return CodedSet(name, model, videos)
    if is_records(path):
        if size is not None:
            raise InputError(f"{path}: records have a fixed size; remove --size")
        splits = record_splits(path) if split == "all" else [split]
        return CineSet(f"{name} {split}", Records(path, *splits))
    if size is None:
        raise InputError(f"{path}: cine files need --size, the height and width to resize them to")
    return CineSet(name, read_model_cines(path, size, on_refusal=_tell))


def _tell(refusal: object) -> None:
    click.echo(str(refusal), err=True)


def progress() -> Callable[[str, int], Callable[[int], object]]:
    """Return what shows one bar for each long piece of work, the last one closed by the next."""
    from tqdm import tqdm

    bars: list[tqdm] = []

    def start(what: str, total: int) -> Callable[[int], object]:
        if bars:
            bars.pop().close()
        bars.append(tqdm(total=total, desc=what, unit="", leave=False))
        return bars[-1].update

    return start


def read_frames(source: "ImageSet", most: int | None, seed: int) -> Iterator:
    """Yield `most` frames of a set, or all where it has fewer or None is asked for."""
    numbers = [number for number in (most, source.num_frames) if number is not None]
    return source.frames(min(numbers), seed)
