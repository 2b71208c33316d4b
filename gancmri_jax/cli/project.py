"""`gancmri project`: find the latent codes of real frames."""

import pathlib
import sys

import click
from tqdm import tqdm


@click.command("project")
@click.option("--model", "name", default="demo", show_default=True, help="Model file or run.")
@click.option(
    "--input",
    "source",
    required=True,
    type=click.Path(path_type=pathlib.Path),
    help="Records, or cines as for `gancmri prepare`.",
)
@click.option("--out", required=True, type=click.Path(path_type=pathlib.Path), help="latents.zarr")
@click.option("--steps", default=1000, show_default=True, type=click.IntRange(1))
@click.option("--batch-size", default=8, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**32 - 1))
@click.option(
    "--frames",
    type=click.Choice(["all", "ed-es", "ed"]),
    default="all",
    show_default=True,
    help="Which frames of each video.",
)
@click.option(
    "--space",
    type=click.Choice(["w", "w+"]),
    default="w",
    show_default=True,
    help="One w for all rows, as in the paper, or one for each.",
)
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test", "all"]),
    default="train",
    show_default=True,
    help="Of records, which subjects.",
)
@click.option("--videos", type=click.IntRange(1), help="Only the first so many videos.")
@click.option("--keep-ids", is_flag=True, help="Write subjects' names instead of keyed hashes.")
def command(
    name: str,
    source: pathlib.Path,
    out: pathlib.Path,
    steps: int,
    batch_size: int,
    seed: int,
    frames: str,
    space: str,
    split: str,
    videos: int | None,
    keep_ids: bool,
) -> None:
    """Project frames into latent space; the same command goes on where it broke off.

    The search lowers a multi-scale pixel distance.
    """
    from gancmri_jax.cine.read import read_model_cines
    from gancmri_jax.model.file import load_model
    from gancmri_jax.projection.projector import Settings
    from gancmri_jax.projection.store import read_latents
    from gancmri_jax.projection.study import project_study

    model = load_model(name)
    cines = read_model_cines(
        source,
        model.resolution,
        keep_ids=keep_ids,
        on_refusal=lambda refusal: click.echo(str(refusal), err=True),
        split=None if split == "all" else split,
        most=videos,
    )
    settings = Settings(steps, space)  # type: ignore[arg-type]
    bar = tqdm(unit=" frames", desc="project", file=sys.stderr)

    def on_start(todo: int, done: int) -> None:
        bar.reset(todo + done)
        bar.update(done)

    project_study(
        model,
        cines,
        out,
        settings,
        which=frames,  # type: ignore[arg-type]
        batch_size=batch_size,
        seed=seed,
        on_start=on_start,
        on_steps=lambda frame_steps: bar.update(frame_steps / steps),
    )
    bar.close()
    codes, _ = read_latents(out)
    distances = codes.distances[codes.valid]
    click.echo(
        f"{len(distances)} frames of {len(codes.subjects)} videos in {out}; "
        f"{settings.distance} distance: mean {distances.mean():.4f}, "
        f"largest {distances.max():.4f}"
    )
