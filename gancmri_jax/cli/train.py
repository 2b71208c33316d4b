"""`gancmri train`: train StyleGAN2 on prepared frames, by a configuration."""

import difflib
import os
import pathlib
import re

import click


@click.command("train", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option(
    "--config",
    "name",
    required=True,
    metavar="NAME",
    help="Configuration: phantom64, phantom256, phantom_wide, dsb256, ukbb256, or a Python file "
    "with get_config().",
)
@click.option(
    "--config.KEY",
    "_keys",
    metavar="VALUE",
    expose_value=False,
    help="Value of a key of the configuration, e.g. --config.data=data/hearts or "
    "--config.total_kimg=500; repeat for more.",
)
@click.option(
    "--workdir",
    type=click.Path(path_type=pathlib.Path, file_okay=False),
    help="Run folder; to resume, give the same folder again.  [default: runs/NAME]",
)
@click.option(
    "--distributed",
    is_flag=True,
    help="Run on several hosts, which the cluster's environment names (docs/clusters.md).",
)
@click.option("--tensorboard", is_flag=True, help="Also write event files for TensorBoard.")
@click.option(
    "--new-data",
    "--new_data",
    is_flag=True,
    help="Resume a run although its training records have changed.",
)
@click.pass_context
def command(
    context: click.Context,
    name: str,
    workdir: pathlib.Path | None,
    distributed: bool,
    tensorboard: bool,
    new_data: bool,
) -> None:
    """Train a model of single frames.

    The configurations that ship with the package are those of docs/training.md. Each names its
    training records, which --config.data overrides.

    Writes WORKDIR/model.safetensors, sample pictures and metrics.jsonl. To resume after an
    interruption, run the same command again.
    """
    insist_known(context)

    from gancmri_jax.training.config import check_config, read_config

    config = read_config(name, context.args)
    check_config(config)

    # JAX is slow to import: bad configurations do not wait for it.
    from absl import logging

    from gancmri_jax.model.mesh import spread_over_cores
    from gancmri_jax.model.together import join_hosts
    from gancmri_jax.training.loop import Terminated, train
    from gancmri_jax.training.progress import MODEL

    logging.set_verbosity(logging.WARNING)  # Orbax logs every file that it writes
    workdir = workdir or pathlib.Path("runs") / pathlib.Path(name.partition(":")[0]).stem
    if distributed:
        join_hosts()
    else:
        spread_over_cores(config.batch_size // config.accumulate)
    try:
        train(config, workdir, tensorboard, new_data)
    except Terminated as end:
        click.echo(f"asked to end: saved at step {end}; the same command goes on", err=True)
        return
    except KeyboardInterrupt:
        click.echo("interrupted; the same command goes on from the last checkpoint", err=True)
        os._exit(130)  # a program that is still compiling would crash the interpreter's own end
    if (workdir / MODEL).exists():
        click.echo(f"wrote {workdir / MODEL}")


def insist_known(context: click.Context) -> None:
    """See that what click did not know are keys of the configuration."""
    for word in context.args:
        if word.startswith("--") and not re.match(r"--(no)?config\.", word):
            option = word.partition("=")[0]
            known = [name for param in context.command.params for name in param.opts]
            near = difflib.get_close_matches(option, known)
            raise click.NoSuchOption(option, possibilities=near, ctx=context)
