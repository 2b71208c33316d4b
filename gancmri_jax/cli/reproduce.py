"""`gancmri reproduce`: rerun the paper on phantoms, and write one report."""

import dataclasses
import pathlib
import sys
from typing import Any

import click
from tqdm import tqdm

from gancmri_jax.cli.comparing import progress
from gancmri_jax.cli.projecting import DISTANCES


@click.command("reproduce")
@click.option("--out", required=True, type=click.Path(path_type=pathlib.Path, file_okay=False))
@click.option(
    "--quick",
    is_flag=True,
    help="Few samples, and the embedded model: minutes on two cores. Without, as many as the paper "
    "took, which wants an accelerator.",
)
@click.option("--model", "name", help="Model file or run; without it, or --quick, one is trained.")
@click.option(
    "--config",
    default=pathlib.Path("configs/phantom64.py"),
    show_default=True,
    type=click.Path(path_type=pathlib.Path, dir_okay=False),
    help="What a model is trained by.",
)
@click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Of the phantoms; the embedded model has learned from those of 0.",
)
@click.option("--steps", "projection_steps", type=click.IntRange(1), help="Of each projection.")
@click.option("--distance", type=DISTANCES, help="What projections lower.")
@click.option("--frames", type=click.IntRange(4), help="Of each set behind FID and its like.")
@click.option("--clips", type=click.IntRange(4), help="Of each set behind FVD.")
def command(
    out: pathlib.Path,
    quick: bool,
    name: str | None,
    config: pathlib.Path,
    seed: int,
    **chosen: Any,
) -> None:
    """Make phantoms, a model, codes, motion and videos, and measure all that the paper measured.

    OUT gets report.md and report.html, with each number beside the paper's and a baseline, and the
    figures and films. The same command goes on where it broke off. What cannot be measured for want
    of a network's weights is left out, and the report says how to get them.

    --steps, --distance, --frames and --clips take the place of the paper's, or of --quick's: they
    are what hours go into. Frames and clips may be others when the command is given again.
    """
    from gancmri_jax.experiments.reproduce import reproduce
    from gancmri_jax.experiments.scale import PAPER, QUICK
    from gancmri_jax.training.loop import Terminated

    if quick and name is None:
        name = "demo"
    scale = QUICK if quick else PAPER
    scale = dataclasses.replace(scale, **{k: v for k, v in chosen.items() if v is not None})
    try:
        report = reproduce(
            out,
            scale,
            model_name=name,
            config=config,
            seed=seed,
            tell=lambda line: tqdm.write(line, file=sys.stdout),
            on_start=progress(),
        )
    except Terminated as end:
        tqdm.write(f"asked to end: training saved at step {end}; the same command goes on")
        return
    click.echo(f"wrote {report} and {report.with_suffix('.html')}")
