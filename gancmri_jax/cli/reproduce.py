"""`gancmri reproduce`: rerun the paper on phantoms, and write one report."""

import dataclasses
import pathlib
import sys
from typing import Any

import click
from click.core import ParameterSource
from tqdm import tqdm

from gancmri_jax.cli.comparing import progress
from gancmri_jax.cli.projecting import DISTANCES


@click.command("reproduce")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path, file_okay=False),
    help="Output folder.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Use few samples and the demo model: minutes on two CPU cores. Without --quick, as many "
    "samples as in the paper, which needs an accelerator.",
)
@click.option(
    "--model",
    "name",
    help="Model: demo, a model file or a run folder.  [default: demo with --quick, otherwise a new "
    "model is trained]",
)
@click.option(
    "--config",
    default="phantom64",
    show_default=True,
    metavar="NAME",
    help="Configuration for training a new model; see `gancmri train --help`.",
)
@click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Random seed of the phantoms; the demo model was trained on those of seed 0.",
)
@click.option(
    "--steps",
    "projection_steps",
    type=click.IntRange(1),
    help="Optimisation steps per frame.  [default: 1000, or 50 with --quick]",
)
@click.option(
    "--distance",
    type=DISTANCES,
    help="Image distance to minimise; see `gancmri project --help`.  [default: auto, or "
    "multiscale_pixel with --quick]",
)
@click.option(
    "--frames",
    type=click.IntRange(4),
    help="Frames per set for FID and similar metrics.  [default: 50000, or 160 with --quick]",
)
@click.option(
    "--clips",
    type=click.IntRange(4),
    help="Video clips per set for FVD.  [default: 1000, or 24 with --quick]",
)
def command(
    out: pathlib.Path,
    quick: bool,
    name: str | None,
    config: str,
    seed: int,
    **chosen: Any,
) -> None:
    """Repeat the paper's experiments on phantoms and write a report.

    Makes phantoms, trains a model, projects frames, learns motion, generates videos, and measures
    what the paper measured. OUT/report.md and report.html show each number next to the paper's and
    a baseline, with figures and videos. Metrics whose network weights are missing are left out; the
    report says how to get them.

    Projection, FID and FVD take most of the time: lower --steps, --frames and --clips for a
    faster run. To resume after an interruption, run the same command again; --frames and --clips
    may change.
    """
    if quick and name is None:
        name = "demo"
    given = click.get_current_context().get_parameter_source
    if name is None:
        from gancmri_jax.training.config import check_config, read_config

        check_config(read_config(config))  # rather now than after JAX is imported
    elif given("config") is ParameterSource.COMMANDLINE:
        raise click.UsageError(f"--config has no effect with model {name}; remove it")

    from gancmri_jax.experiments.reproduce import reproduce
    from gancmri_jax.experiments.scale import PAPER, QUICK
    from gancmri_jax.training.loop import Terminated

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
