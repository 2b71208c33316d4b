"""`gancmri project`: find the latent codes of real frames."""

import pathlib

import click

from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cli.projecting import (
    MODE,
    SPACE,
    START,
    chosen_start,
    progress,
    projects_cines,
)
from gancmri_jax.cli.reading import SCHEDULER, learned_split, read_chosen, reads_cines
from gancmri_jax.cli.writing import JSON, Answer


@click.command("project")
@reads_cines
@projects_cines
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path),
    help="Output latent store, e.g. latents.zarr.",
)
@click.option(
    "--frames",
    type=click.Choice(["all", "ed-es", "ed"]),
    default="all",
    show_default=True,
    help="Frames to project from each video.",
)
@MODE
@click.option(
    "--later-steps",
    type=click.IntRange(1),
    help="Optimisation steps for every frame after the first, with --mode neighbour.  "
    "[default: a fifth of --steps]",
)
@SPACE
@click.option(
    "--pull-to-w",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Weight of a penalty, with --space w+, that keeps the layers' w close together; 0 is off.",
)
@START
@click.option(
    "--stop-at",
    type=click.FloatRange(0),
    help="Stop the search for a frame when its distance is at or below this value.",
)
@click.option(
    "--flag-above",
    type=click.FloatRange(0),
    help="Flag frames whose final distance is above this value.  [default: median + 5 robust "
    "standard deviations, at least 1.5 times the median]",
)
@click.option(
    "--phenotypes",
    "table",
    type=click.Path(path_type=pathlib.Path),
    help="phenotypes.csv whose column es_frame overrides other sources of the ES frame.",
)
@learned_split
@click.option("--videos", type=click.IntRange(1), help="Use only the first N videos.", metavar="N")
@click.option(
    "--keep-noise",
    is_flag=True,
    help="Save the noise maps of each frame too: a hundred times as much as its code.",
)
@click.option(
    "--report", "pictures", is_flag=True, help="Write a quality report to a folder next to --out."
)
@click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    default="auto",
    show_default=True,
    help="Number format of the networks; auto is float32 on a CPU, otherwise bfloat16.",
)
@click.option(
    "--remat",
    is_flag=True,
    help="Recompute activations instead of storing them: a third more work, larger batches.",
)
@click.option(
    "--distributed",
    is_flag=True,
    help="Run on several hosts, as in docs/clusters.md. Each host projects a share of the videos.",
)
@SCHEDULER
@JSON
def command(
    name: str,
    source: pathlib.Path,
    reading: ReadOptions,
    keep_ids: bool,
    out: pathlib.Path,
    steps: int,
    distance: str,
    batch_size: int | None,
    seed: int,
    frames: str,
    mode: str,
    later_steps: int | None,
    space: str,
    pull_to_w: float,
    start: str,
    stop_at: float | None,
    flag_above: float | None,
    table: pathlib.Path | None,
    split: str,
    videos: int | None,
    keep_noise: bool,
    pictures: bool,
    dtype: str,
    remat: bool,
    distributed: bool,
    scheduler: str | None,
    report: pathlib.Path | None,
) -> None:
    """Find the latent code of each real frame.

    The latent store --out is a Zarr group with codes and distances. Frames with an
    unusually large distance are flagged and kept. Each video is saved as soon as it is finished: to
    resume after an interruption, run the same command again.
    """
    if later_steps is not None and mode != "neighbour":
        raise click.UsageError("--later-steps needs --mode neighbour")
    if pull_to_w and space != "w+":
        raise click.UsageError("--pull-to-w needs --space w+")

    if distributed and scheduler is not None:
        raise click.UsageError("--distributed and --scheduler exclude each other")

    import jax

    from gancmri_jax.model.mesh import spread_over_cores
    from gancmri_jax.model.together import join_hosts

    if distributed:
        join_hosts()
    else:
        spread_over_cores(batch_size)

    from gancmri_jax.model.file import load_model
    from gancmri_jax.model.mesh import platform_of
    from gancmri_jax.physiology.end_systole import read_es_frames
    from gancmri_jax.projection.report import numbers, summarize, write_report
    from gancmri_jax.projection.settings import Settings
    from gancmri_jax.projection.study import project_study

    model = load_model(name)
    if dtype == "auto":
        dtype = "float32" if platform_of(model.params) == "cpu" else "bfloat16"
    cines = read_chosen(source, model.resolution, reading, keep_ids, split, videos)
    settings = Settings(
        num_steps=steps,
        space=space,  # type: ignore[arg-type]
        distance=distance,  # type: ignore[arg-type]
        start=chosen_start(model, start),
        pull_to_w=pull_to_w,
        stop_at=stop_at,
        dtype=dtype,  # type: ignore[arg-type]
        remat=remat,
    )
    with progress(settings) as told:
        project_study(
            model,
            cines,
            out,
            settings,
            which=frames,  # type: ignore[arg-type]
            mode=mode,  # type: ignore[arg-type]
            later_steps=later_steps,
            batch_size=batch_size,
            seed=seed,
            es_frames=read_es_frames(table) if table else None,
            flag_above=flag_above,
            keep_noise=keep_noise,
            scheduler=scheduler,
            **told,  # type: ignore[arg-type]
        )
    if jax.process_index():
        return  # the first process speaks for all
    answer = Answer(report)
    if pictures:
        folder = out.with_name(f"{out.stem}-report")
        write_report(folder, out, model, cines)
        answer.say(f"how well it went: {folder}")
    for line in summarize(out):
        answer.say(line)
    answer.give(numbers(out))
