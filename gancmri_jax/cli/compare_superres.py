"""`gancmri compare-superres`: say how well frames that were taken away are found again."""

import math
import pathlib
import sys

import click
from tqdm import tqdm

from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cli.projecting import (
    MODE,
    SPACE,
    START,
    chosen_start,
    progress,
    projects_cines,
)
from gancmri_jax.cli.reading import measured_split, read_chosen, reads_cines
from gancmri_jax.cli.writing import JSON, Answer


@click.command("compare-superres")
@reads_cines
@projects_cines
@MODE
@SPACE
@START
@measured_split
@click.option("--videos", type=click.IntRange(1), help="Use only the first N videos.", metavar="N")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path, file_okay=False),
    help="Output folder.",
)
@JSON
def command(
    name: str,
    source: pathlib.Path,
    reading: ReadOptions,
    keep_ids: bool,
    steps: int,
    distance: str,
    batch_size: int | None,
    seed: int,
    mode: str,
    space: str,
    start: str,
    split: str | None,
    videos: int | None,
    out: pathlib.Path,
    report: pathlib.Path | None,
) -> None:
    """Remove every second frame of cines and compare ways to restore it.

    Reports the mean SSIM (GANcMRI, section 3.3.4) and PSNR of interpolation between latent codes, a
    blend of the neighbouring frames, and optical flow.

    Writes OUT/superres.csv and superres.png, which shows the generated frames that differ most from
    their neighbours: protect it like the data. To resume after an interruption, run the same
    command again.
    """
    from gancmri_jax.experiments.temporal_superres import (
        draw_strangest,
        halve,
        recover_all,
        summarize,
        verdict,
        write_rows,
    )
    from gancmri_jax.model.file import load_model
    from gancmri_jax.projection.settings import Settings
    from gancmri_jax.projection.study import project_study

    answer = Answer(report)
    model = load_model(name)
    model.insist_grey()
    cines = read_chosen(source, model.resolution, reading, keep_ids, split, videos)
    settings = Settings(steps, space, distance, start=chosen_start(model, start))  # type: ignore[arg-type]
    with progress(settings) as told:
        codes = project_study(
            model,
            [halve(cine) for cine in cines],
            out / "latents.zarr",
            settings,
            mode=mode,  # type: ignore[arg-type]
            batch_size=batch_size,
            seed=seed,
            **told,  # type: ignore[arg-type]
        )
    bar = tqdm(cines, unit=" videos", desc="recover", file=sys.stderr)
    recoveries = recover_all(model, bar, codes)
    rows = summarize(recoveries)
    write_rows(out / "superres.csv", rows)
    draw_strangest(out / "superres.png", recoveries)
    answer.say(f"mean SSIM of {sum(r.interior for r in recoveries)} frames of {len(cines)} videos:")
    for row in rows:
        last = "" if math.isnan(row.ssim_last) else f"; last frame {row.ssim_last:.4f}"
        answer.say(f"  {row.method}: {row.ssim:.4f}, PSNR {row.psnr:.2f} dB{last}")
    answer.say(verdict(rows))
    answer.say(f"wrote {out / 'superres.csv'} and {out / 'superres.png'}")
    answer.give({"videos": len(cines), "methods": [row._asdict() for row in rows]})
