"""`gancmri project`: find the latent codes of real frames."""

import pathlib

import click

from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cli.projecting import project_cines, projects_cines
from gancmri_jax.cli.reading import reads_cines


@click.command("project")
@reads_cines
@projects_cines
@click.option("--out", required=True, type=click.Path(path_type=pathlib.Path), help="latents.zarr")
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
def command(
    name: str,
    source: pathlib.Path,
    reading: ReadOptions,
    keep_ids: bool,
    out: pathlib.Path,
    steps: int,
    distance: str,
    batch_size: int,
    seed: int,
    frames: str,
    space: str,
    split: str,
    videos: int | None,
) -> None:
    """Project frames into latent space; the same command goes on where it broke off."""
    from gancmri_jax.cine.read import read_model_cines
    from gancmri_jax.model.file import load_model
    from gancmri_jax.projection.projector import Settings

    model = load_model(name)
    cines = read_model_cines(
        source,
        model.resolution,
        keep_ids=keep_ids,
        on_refusal=lambda refusal: click.echo(str(refusal), err=True),
        options=reading,
        split=None if split == "all" else split,
        most=videos,
    )
    settings = Settings(steps, space, distance)  # type: ignore[arg-type]
    codes = project_cines(
        model,
        cines,
        out,
        settings,
        which=frames,  # type: ignore[arg-type]
        batch_size=batch_size,
        seed=seed,
    )
    distances = codes.distances[codes.valid]
    click.echo(
        f"{len(distances)} frames of {len(codes.subjects)} videos in {out}; "
        f"{settings.distance} distance: mean {distances.mean():.4f}, "
        f"largest {distances.max():.4f}"
    )
