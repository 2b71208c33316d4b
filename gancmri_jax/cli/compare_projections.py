"""`gancmri compare-projections`: say how well, how smoothly and how fast frames can be found."""

import pathlib
import sys
from collections.abc import Callable

import click
from tqdm import tqdm

from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cli.projecting import projects_cines
from gancmri_jax.cli.reading import measured_split, read_chosen, reads_cines
from gancmri_jax.cli.writing import JSON, Answer


@click.command("compare-projections")
@reads_cines
@projects_cines
@click.option(
    "--few-steps",
    "few",
    default=100,
    show_default=True,
    type=click.IntRange(1),
    help="Optimisation steps of the short searches, e.g. those that start from the encoder.",
)
@measured_split
@click.option("--videos", type=click.IntRange(1), help="Use only the first N videos.", metavar="N")
@click.option(
    "--frames",
    type=click.IntRange(3),
    help="Frames to use per video, evenly spaced.  [default: all]",
)
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
    few: int,
    distance: str,
    batch_size: int | None,
    seed: int,
    split: str | None,
    videos: int | None,
    frames: int | None,
    out: pathlib.Path,
    report: pathlib.Path | None,
) -> None:
    """Compare the quality and speed of projection settings.

    Projects whole heartbeats with several combinations of --mode, --space, --start and number of
    steps (see `gancmri project`). --steps is for searches from the mean w, --few-steps for short
    ones.

    Writes OUT/table.md and table.csv, and pictures.png, which shows frames of the first video above
    their projections: protect it like the data. To resume after an interruption, run the same
    command again.
    """
    from gancmri_jax.experiments.projection_report import draw, header, write_csv, write_markdown
    from gancmri_jax.experiments.projection_table import (
        Row,
        compare,
        found_frames,
        perceptual_distance,
        thin_out,
        ways,
    )
    from gancmri_jax.model.file import load_model

    answer = Answer(report)
    model = load_model(name)
    model.insist_grey()
    cines = read_chosen(source, model.resolution, reading, keep_ids, split, videos)
    cines = [thin_out(cine, frames) for cine in cines]
    measured = perceptual_distance(model)
    perceptual = measured[0] if measured else "perceptual"
    told = header(model, cines, distance)  # type: ignore[arg-type]
    rows: list[Row] = []
    with tqdm(total=1, file=sys.stderr, leave=False) as bar:

        def on_start(way: str, frame_steps: int) -> Callable[[float], object]:
            bar.set_description(way)
            bar.reset(max(frame_steps, 1))
            return bar.update

        for row in compare(
            model,
            cines,
            out,
            ways(steps, few, model.encoder is not None),
            distance=distance,  # type: ignore[arg-type]
            batch_size=batch_size,
            seed=seed,
            tell=answer.say,
            on_start=on_start,
        ):
            rows.append(row)
            write_markdown(out / "table.md", rows, perceptual, told)
            write_csv(out / "table.csv", rows, perceptual)
    found = [(row, found_frames(model, cines[0], out, row.way)) for row in rows]
    draw(out / "pictures.png", cines[0].pixels, found)
    answer.say((out / "table.md").read_text())
    if model.encoder is None:
        answer.say("the model has no encoder; `gancmri train-encoder` makes one to start from")
    answer.say(f"wrote {out / 'table.md'}, {out / 'table.csv'} and {out / 'pictures.png'}")
    found_rows = [{**row._asdict(), "way": row.way._asdict(), "name": str(row.way)} for row in rows]
    answer.give({"perceptual": perceptual, "ways": found_rows})
