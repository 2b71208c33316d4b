"""`gancmri memorisation`: does a model copy the hearts it was trained on?"""

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import click

from gancmri_jax.cli.comparing import open_set, progress, read_frames
from gancmri_jax.errors import InputError


@click.command("memorisation")
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False),
    help="Training records of the model; their test split serves as held-out frames.",
)
@click.option(
    "--fake", required=True, help="Generated frames: a model, training records or a latent store."
)
@click.option(
    "--space",
    "wanted",
    multiple=True,
    type=click.Choice(["pixel", "lpips", "segmenter"]),
    default=("pixel", "segmenter"),
    help="Space in which distances are measured; repeat for more.  [default: pixel, segmenter]",
)
@click.option(
    "--segmenter",
    default="demo",
    show_default=True,
    help="Segmenter for --space segmenter: demo, a model file that contains one, or a run folder "
    "of `gancmri train-segmenter`.",
)
@click.option(
    "--frames",
    default=2000,
    show_default=True,
    type=click.IntRange(100),
    help="Largest number of generated frames, and of held-out frames, to compare.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Random seed of the samples.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path, file_okay=False),
    help="Output folder.",
)
def command(
    data: pathlib.Path,
    fake: str,
    wanted: tuple[str, ...],
    segmenter: str,
    frames: int,
    seed: int,
    out: pathlib.Path,
) -> None:
    """Test whether a model copies the hearts it was trained on.

    Measures the distance from each generated frame to the nearest training frame, and the same for
    real held-out frames. A model that copies is much closer to the training frames.

    Writes OUT/memorisation.json and pictures of the closest pairs, generated frames above training
    frames: protect them like the data.
    """
    import numpy as np

    from gancmri_jax.metrics.memorisation import Space, audit_memorisation, pixels, write_audit
    from gancmri_jax.metrics.spaces import lpips_space, segmenter_space
    from gancmri_jax.model.file import load_segmenter_of
    from gancmri_jax.model.motion import Motion

    opening = dict(size=None, motion=Motion(), truncation=1.0, store_model="demo")
    sets = [
        open_set(name, split=split, **opening)  # type: ignore[arg-type]
        for name, split in ((str(data), "train"), (str(data), "test"), (fake, "all"))
    ]
    train, *others = sets
    held_out, generated = (np.stack(list(read_frames(s, frames, seed))) for s in others)
    bars = progress()

    def training_frames() -> Iterator[np.ndarray]:
        told = bars("training frames", train.num_videos or 0)
        for video in train.videos(train.num_videos or 0):
            yield video
            told(1)

    makers: dict[str, Callable[[], Space]] = {
        "pixel": lambda: pixels,
        "lpips": lpips_space,
        "segmenter": lambda: segmenter_space(load_segmenter_of(segmenter)),
    }
    spaces = {name: makers[name]() for name in dict.fromkeys(wanted)}
    results = audit_memorisation(training_frames, held_out, generated, spaces)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be made: {error}") from error
    told_of: dict[str, Any] = {
        "seed": seed,
        "segmenter": segmenter if "segmenter" in spaces else None,
    }
    counts = (train.num_frames, len(held_out), len(generated))
    for name, images, count in zip(("train", "held_out", "fake"), sets, counts, strict=True):
        told_of[name] = {"set": images.name, "digest": images.digest, "frames": count}
    write_audit(out, results, told_of)
    for result in results:
        click.echo(str(result))
