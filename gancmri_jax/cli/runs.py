"""`gancmri runs`: draw and compare the curves of training runs."""

import pathlib

import click


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
def command(workdirs: tuple[pathlib.Path, ...], out: pathlib.Path) -> None:
    """Plot the curves of training runs.

    WORKDIRS are run folders of `gancmri train`. The plot shows losses, penalties, augmentation
    probability and distances of all runs. Prints the progress and the best distance of each run.
    """
    from gancmri_jax.runs.curves import draw_curves, read_run, summarize

    runs = {str(workdir): read_run(workdir) for workdir in workdirs}
    draw_curves(out, runs)
    for name, lines in runs.items():
        click.echo(f"{name}: {summarize(lines)}")
    click.echo(f"curves in {out}")
