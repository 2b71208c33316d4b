"""`gancmri run`: a whole study of cines in one command."""

import pathlib
import sys
from typing import Any

import click
from click.core import ParameterSource
from tqdm import tqdm

from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cli.comparing import progress, tell
from gancmri_jax.cli.projecting import DISTANCES
from gancmri_jax.cli.reading import Extras, reads_cines
from gancmri_jax.cli.train import insist_known
from gancmri_jax.cli.writing import JSON, Answer


@click.command("run", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@reads_cines
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path, file_okay=False),
    help="Folder of the study; to resume, give the same folder again.",
)
@click.option(
    "--config",
    default="phantom64",
    show_default=True,
    metavar="NAME",
    help="Configuration for training: phantom64, dsb256, ukbb256, or a Python file.",
)
@click.option(
    "--config.KEY",
    "_keys",
    metavar="VALUE",
    expose_value=False,
    help="Value of a key of the configuration, e.g. --config.total_kimg=500; repeat for more.",
)
@click.option("--model", "name", help="Model to use instead of training one: demo, a model file …")
@click.option(
    "--segmenter",
    default="demo",
    show_default=True,
    help="Segmenter if the model has none: demo, a model file that contains one, or a run folder "
    "of `gancmri train-segmenter`.",
)
@click.option(
    "--fit",
    type=click.Choice(["stretch", "pad"]),
    default="stretch",
    show_default=True,
    help="stretch: resize each frame to a square. pad: keep its proportions and add black borders.",
)
@click.option(
    "--beats",
    default=32,
    show_default=True,
    type=click.IntRange(1),
    help="Training videos to project whole, for motion.",
)
@click.option(
    "--pairs",
    default=100,
    show_default=True,
    type=click.IntRange(0),
    help="Further training videos to project at ED and ES, for directions.",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    help="Optimisation steps per projected frame.  [default: 100 if the model has an encoder, "
    "otherwise 1000]",
)
@click.option(
    "--distance",
    type=DISTANCES,
    default="auto",
    show_default=True,
    help="Image distance of projection; see `gancmri project --help`.",
)
@click.option(
    "--videos", default=4, show_default=True, type=click.IntRange(1), help="Videos to generate."
)
@click.option(
    "--frames",
    default=2000,
    show_default=True,
    type=click.IntRange(4),
    help="Largest number of frames per set in metrics and in the audit for copies.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Random seed of everything except training, which has --config.seed.",
)
@click.option(
    "--plan",
    "planned",
    is_flag=True,
    help="Print the stages, their sizes and the expected hours on this machine, from about a "
    "minute of measurements, and do nothing else.",
)
@JSON
@click.pass_context
def command(
    context: click.Context,
    source: pathlib.Path,
    reading: ReadOptions,
    keep_ids: bool,
    out: pathlib.Path,
    config: str,
    name: str | None,
    segmenter: str,
    fit: str,
    seed: int,
    planned: bool,
    report: pathlib.Path | None,
    **sizes: Any,
) -> None:
    """Make a whole study of cines, from training records to one report.

    Prepares the cines, trains a model, projects frames, learns motion and phenotype directions,
    generates videos, measures them, and looks for copies of training frames.

    OUT/report.html is one file with all pictures and films; OUT/model.safetensors generates more
    hearts. Without phenotypes.csv among the cines, the segmenter measures phenotypes. Metrics whose
    network weights are missing are left out, and the report says how to get them.

    To resume after an interruption, run the same command again. A study is made with one set of
    options: for others, choose another --out.
    """
    insist_known(context)
    answer = Answer(report)
    given = context.get_parameter_source("config") is ParameterSource.COMMANDLINE or context.args
    if name is not None and given:
        raise click.UsageError(f"--config has no effect with model {name}; remove it")

    from gancmri_jax.cine.prepare import Options as PrepareOptions
    from gancmri_jax.training.config import check_config, read_config

    trained_by = None if name else read_config(config, context.args)
    if trained_by is not None:
        check_config(trained_by)

    # JAX is slow to import: bad configurations do not wait for it.
    from gancmri_jax.experiments.journal import read_results
    from gancmri_jax.experiments.run import RunOptions, run
    from gancmri_jax.model.mesh import spread_over_cores
    from gancmri_jax.training.loop import Terminated

    spread_over_cores(trained_by and trained_by.batch_size // trained_by.accumulate)
    options = RunOptions(seed=seed, **sizes)
    if planned:
        from gancmri_jax.benchmarks.run_plan import make_plan

        plan = make_plan(
            source,
            out,
            config=trained_by,
            model=name,
            segmenter=segmenter,
            options=options,
            reading=reading,
        )
        answer.say(plan)
        answer.give(plan.as_json())
        return
    preparation = PrepareOptions(
        fit=fit,  # type: ignore[arg-type]
        seed=seed,
        keep_ids=keep_ids,
        slice=reading.slice,
        mask_boxes=reading.mask_boxes,
        spacing_mm=reading.spacing_mm,
        series=reading.series,
        time_axis=reading.time_axis,
    )

    def echo(line: str) -> None:
        tqdm.write(line, file=sys.stderr)

    extras = Extras(echo)
    try:
        page = run(
            source,
            out,
            config=trained_by,
            model=name,
            segmenter=segmenter,
            options=options,
            preparation=preparation,
            tell=answer.say,
            on_start=progress(),
            on_refusal=tell,
            on_extra=extras,
            workers=None,
        )
    except Terminated as end:
        echo(f"asked to end: training saved at step {end}; the same command goes on")
        return
    finally:
        extras.sum_up()
    answer.say(f"wrote {page}")
    answer.give({"report": str(page), "stages": read_results(out)})
