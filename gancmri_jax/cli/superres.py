"""`gancmri superres`: raise the frame rate of real cines."""

import pathlib
import sys

import click
from tqdm import tqdm


@click.command("superres")
@click.option("--model", "name", default="demo", show_default=True, help="Model file or run.")
@click.option(
    "--input",
    "source",
    required=True,
    type=click.Path(path_type=pathlib.Path),
    help="Records, or cines as for `gancmri prepare`.",
)
@click.option("--factor", default=2, show_default=True, type=click.IntRange(2))
@click.option("--closed", is_flag=True, help="Go on from the last frame to the first.")
@click.option("--tpca", is_flag=True, help="Clean the steps by the paper's tPCA.")
@click.option("--all-generated", is_flag=True, help="Render the original times too.")
@click.option(
    "--steps", default=1000, show_default=True, type=click.IntRange(1), help="Of the projection."
)
@click.option("--batch-size", default=8, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**32 - 1))
@click.option("--keep-ids", is_flag=True, help="Write subjects' names instead of keyed hashes.")
@click.option("--out", required=True, type=click.Path(path_type=pathlib.Path, file_okay=False))
def command(
    name: str,
    source: pathlib.Path,
    factor: int,
    closed: bool,
    tpca: bool,
    all_generated: bool,
    steps: int,
    batch_size: int,
    seed: int,
    keep_ids: bool,
    out: pathlib.Path,
) -> None:
    """Project each cine's frames, and write it at a higher frame rate as MP4, GIF and NIfTI.

    Codes are kept in OUT/latents.zarr, so that the same command goes on, and another way of
    reading them is quick. Frames at the original times stay the originals.
    """
    import numpy as np

    from gancmri_jax.cine.nifti import write_nifti
    from gancmri_jax.cine.read import read_model_cines
    from gancmri_jax.cine.video_file import write_gif, write_mp4
    from gancmri_jax.model.file import load_model
    from gancmri_jax.projection.projector import Settings
    from gancmri_jax.projection.store import read_latents
    from gancmri_jax.projection.study import project_study
    from gancmri_jax.video.superres import super_resolve

    model = load_model(name)
    cines = read_model_cines(
        source,
        model.resolution,
        keep_ids=keep_ids,
        on_refusal=lambda refusal: click.echo(str(refusal), err=True),
    )
    store = out / "latents.zarr"
    with tqdm(unit=" frames", desc="project", file=sys.stderr) as bar:
        project_study(
            model,
            cines,
            store,
            Settings(steps),
            batch_size=batch_size,
            seed=seed,
            on_start=lambda todo, done: (bar.reset(todo + done), bar.update(done)),
            on_steps=lambda frame_steps: bar.update(frame_steps / steps),
        )
    codes, _ = read_latents(store)
    for index, cine in enumerate(tqdm(cines, unit=" videos", desc="render")):
        ws = codes.ws[index, : len(cine.pixels)]
        dense = super_resolve(
            model,
            cine.pixels,
            ws,
            factor,
            closed=closed,
            tpca=tpca,
            all_generated=all_generated,
        )
        # A cine that does not say how long its frames are is shown as a beat of one second.
        frame_ms = (cine.frame_ms or 1000 / len(cine.pixels)) / factor
        name = f"{cine.subject}-{index:04d}-x{factor}"
        write_mp4(out / f"{name}.mp4", dense, frame_ms)
        write_gif(out / f"{name}.gif", dense, frame_ms)
        said = f"{name}: {len(cine.pixels)} frames became {len(dense)}"
        if np.isfinite(cine.spacing_mm).all():
            write_nifti(out / f"{name}.nii.gz", dense, cine.spacing_mm, frame_ms)
        else:
            said += "; no NIfTI, since its spacing is unknown"
        tqdm.write(said)
