"""`gancmri runs`: draw and compare the curves of training runs."""

import pathlib

import click

from gancmri_jax.cli.writing import JSON, Answer


@click.command("runs")
@click.argument(
    "workdirs",
    nargs=-1,
    required=True,
    type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False),
)
@click.option(
    "--out",
    default=pathlib.Path("runs.png"),
    show_default=True,
    type=click.Path(path_type=pathlib.Path, dir_okay=False),
    help="Output PNG file.",
)
@JSON
def command(
    workdirs: tuple[pathlib.Path, ...], out: pathlib.Path, report: pathlib.Path | None
) -> None:
    """Plot the curves of training runs.

    WORKDIRS are run folders of `gancmri train`. The plot shows losses, penalties, augmentation
    probability and distances of all runs. Prints the progress and the best distance of each run.
    """
    from gancmri_jax.runs.curves import draw_curves, read_run, summarize

    runs = {str(workdir): read_run(workdir) for workdir in workdirs}
    draw_curves(out, runs)
    answer = Answer(report)
    for name, lines in runs.items():
        answer.say(f"{name}: {summarize(lines)}")
    answer.say(f"curves in {out}")
    answer.give({"runs": {name: lines[-1] for name, lines in runs.items()}})
