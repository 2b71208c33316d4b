"""`gancmri superres`: raise the frame rate of real cines."""

import math
import pathlib
import sys
from typing import Literal

import click
from tqdm import tqdm

from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cli.projecting import START, chosen_start, progress, projects_cines
from gancmri_jax.cli.reading import read_chosen, reads_cines
from gancmri_jax.cli.writing import NEED_SPACING, format_option, write_formats, write_json
from gancmri_jax.errors import InputError


@click.command("superres")
@reads_cines
@projects_cines
@START
@click.option(
    "--factor",
    default=2,
    show_default=True,
    type=click.IntRange(2),
    help="New frame rate divided by the old one.",
)
@click.option(
    "--closed",
    is_flag=True,
    help="Treat the cine as a full heartbeat: also add frames between the last and the first.",
)
@click.option(
    "--tpca", is_flag=True, help="Denoise the latent steps between frames with the paper's tPCA."
)
@click.option(
    "--method",
    "asked",
    type=click.Choice(["auto", "residual", "codes"]),
    default="auto",
    show_default=True,
    help="How new frames are made. residual: a blend of neighbouring frames, plus the model's "
    "motion, weighted by how well it predicts frames of this cine. codes: latent codes alone, as "
    "in the paper. auto: for each cine what restores its own frames best.",
)
@click.option("--residual", is_flag=True, help="Same as --method residual.")
@click.option(
    "--all-generated",
    is_flag=True,
    help="Also generate the frames at the original times, instead of keeping the originals.",
)
@format_option((), "mp4, gif, and nifti if the pixel spacing is known")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path, file_okay=False),
    help="Output folder.",
)
def command(
    name: str,
    source: pathlib.Path,
    reading: ReadOptions,
    keep_ids: bool,
    factor: int,
    closed: bool,
    tpca: bool,
    asked: Literal["auto", "residual", "codes"],
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
    """Raise the frame rate of real cines.

    Each frame is projected to a latent code; new frames are rendered between the codes. The
    original frames are kept unless --all-generated is given. Beside each video, a JSON file says of
    each frame whether it was measured or generated, and how large its error may be: the error of
    real frames that are taken away and made again.

    Codes are saved in OUT/latents.zarr. To resume after an interruption, run the same command
    again. The codes are also reused when you change --factor, --method or similar options.
    """
    from gancmri_jax.cine.read import input_path
    from gancmri_jax.model.file import load_model
    from gancmri_jax.model.mesh import spread_over_cores
    from gancmri_jax.projection.settings import Settings
    from gancmri_jax.projection.study import codes_of, project_study
    from gancmri_jax.video.belief import account_of, mean_error, measure_belief
    from gancmri_jax.video.superres import Method, super_resolve

    asked = "residual" if residual else asked
    if tpca or all_generated:
        if asked == "residual":
            raise click.UsageError(
                "the residual method keeps the original frames and the latent steps; remove "
                f"{'--tpca' if tpca else '--all-generated'}"
            )
        asked = "codes"
    spread_over_cores(batch_size)
    model = load_model(name)
    cines = read_chosen(source, model.resolution, reading, keep_ids)
    without = sum(math.isnan(cine.spacing_mm[0]) for cine in cines)
    if without and (wanted := [f for f in formats if f in NEED_SPACING]):
        raise InputError(
            f"{input_path(source, keep_ids)}: {without} of {len(cines)} cines do not know their "
            f"spacing, which {' and '.join(wanted)} need; give it by --spacing-mm, or choose "
            "another --format"
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
        ws = codes_of(codes, index)
        tried: tuple[Method, ...] = ("residual", "codes") if asked == "auto" else (asked,)
        beliefs = {each: measure_belief(model, cine.pixels, ws, each, closed) for each in tried}
        method = min(beliefs, key=lambda each: mean_error(beliefs[each].restored))
        belief = beliefs[method]
        faster, generated = super_resolve(
            model,
            cine,
            ws,
            factor,
            method=method,
            closed=closed,
            tpca=tpca,
            all_generated=all_generated,
        )
        stem = f"{cine.subject}-{index:04d}-x{factor}"
        said = f"{stem}: {len(cine.pixels)} frames became {len(faster.pixels)}, by {method}"
        chosen = formats
        if not formats:
            unknown = math.isnan(cine.spacing_mm[0])
            chosen = ("mp4", "gif") if unknown else ("mp4", "gif", "nifti")
            said += "; no NIfTI, since its spacing is unknown" if unknown else ""
        write_formats(out / stem, faster, chosen, generated)
        account = account_of(belief, generated, factor)
        write_json(
            out / f"{stem}.json",
            {
                "note": "error_grey_levels: root mean square, of 255, of real frames that were "
                "taken away and made again from their neighbours; an upper estimate",
                "model": model.fingerprint,
                "method": method,
                "rendered_rms": mean_error(belief.rendered),
                "restored_rms": {each: mean_error(b.restored) for each, b in beliefs.items()},
                "blended_rms": mean_error(belief.blended),
                "frames": account,
            },
        )
        tqdm.write(said)
        if belief.misleads:
            tqdm.write(
                f"note: {stem}: frames that are taken away are restored with an error of "
                f"{mean_error(belief.restored):.1f} grey levels, by a blend of their neighbours "
                f"with {mean_error(belief.blended):.1f}"
                + ("; --method residual comes nearer" if method == "codes" else ""),
                file=sys.stderr,
            )
