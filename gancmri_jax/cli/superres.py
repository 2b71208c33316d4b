"""`gancmri superres`: raise the frame rate of real cines."""

import math
import pathlib

import click
from tqdm import tqdm

from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cli.projecting import START, chosen_start, progress, projects_cines
from gancmri_jax.cli.reading import read_chosen, reads_cines
from gancmri_jax.cli.writing import NEED_SPACING, format_option, write_formats
from gancmri_jax.errors import InputError


@click.command("superres")
@reads_cines
@projects_cines
@START
@click.option("--factor", default=2, show_default=True, type=click.IntRange(2))
@click.option("--closed", is_flag=True, help="Go on from the last frame to the first.")
@click.option("--tpca", is_flag=True, help="Clean the steps by the paper's tPCA.")
@click.option(
    "--residual",
    is_flag=True,
    help="Blend neighbours, and add of the model's motion what the cine bears out: truer to it "
    "than codes alone.",
)
@click.option("--all-generated", is_flag=True, help="Render the original times too.")
@format_option((), "mp4, gif and, where spacing is known, nifti")
@click.option("--out", required=True, type=click.Path(path_type=pathlib.Path, file_okay=False))
def command(
    name: str,
    source: pathlib.Path,
    reading: ReadOptions,
    keep_ids: bool,
    factor: int,
    closed: bool,
    tpca: bool,
    residual: bool,
    all_generated: bool,
    steps: int,
    distance: str,
    batch_size: int | None,
    seed: int,
    start: str,
    formats: tuple[str, ...],
    out: pathlib.Path,
) -> None:
    """Project each cine's frames, and write it at a higher frame rate.

    Codes are kept in OUT/latents.zarr, so that the same command goes on, and another way of
    reading them is quick. Frames at the original times stay the originals.
    """
    from gancmri_jax.model.file import load_model
    from gancmri_jax.model.mesh import spread_over_cores
    from gancmri_jax.projection.settings import Settings
    from gancmri_jax.projection.study import codes_of, project_study
    from gancmri_jax.video.superres import super_resolve

    if residual and (tpca or all_generated):
        raise click.UsageError(
            "--residual keeps the original frames and the steps between them; leave out "
            f"{'--tpca' if tpca else '--all-generated'}"
        )
    spread_over_cores(batch_size)
    model = load_model(name)
    cines = read_chosen(source, model.resolution, reading, keep_ids)
    without = sum(math.isnan(cine.spacing_mm[0]) for cine in cines)
    if without and (wanted := [f for f in formats if f in NEED_SPACING]):
        raise InputError(
            f"{source}: {without} of {len(cines)} cines do not know their spacing, which "
            f"{' and '.join(wanted)} need; give it by --spacing-mm, or choose another --format"
        )
    settings = Settings(steps, distance=distance, start=chosen_start(model, start))  # type: ignore[arg-type]
    with progress(settings) as told:
        codes = project_study(
            model,
            cines,
            out / "latents.zarr",
            settings,
            batch_size=batch_size,
            seed=seed,
            **told,  # type: ignore[arg-type]
        )
    for index, cine in enumerate(tqdm(cines, unit=" videos", desc="render")):
        faster, generated = super_resolve(
            model,
            cine,
            codes_of(codes, index),
            factor,
            method="residual" if residual else "codes",
            closed=closed,
            tpca=tpca,
            all_generated=all_generated,
        )
        stem = f"{cine.subject}-{index:04d}-x{factor}"
        said = f"{stem}: {len(cine.pixels)} frames became {len(faster.pixels)}"
        chosen = formats
        if not formats:
            unknown = math.isnan(cine.spacing_mm[0])
            chosen = ("mp4", "gif") if unknown else ("mp4", "gif", "nifti")
            said += "; no NIfTI, since its spacing is unknown" if unknown else ""
        write_formats(out / stem, faster, chosen, generated)
        tqdm.write(said)
