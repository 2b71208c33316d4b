"""`gancmri benchmark`: how fast this machine is, and how much of it is used."""

import pathlib

import click
from click.core import ParameterSource

from gancmri_jax.cli.writing import JSON, Answer

# On a CPU, and on an accelerator.
_BATCH = {
    "projection": (2, 64),
    "training": (4, 32),
    "compilation": (4, 32),
    "pipeline": (32, 32),
    "features": (8, 64),
    "latents": (100, 100),
}


@click.command("benchmark")
@click.argument("what", type=click.Choice(["synthesis", *_BATCH]))
@click.option(
    "--size",
    default=256,
    show_default=True,
    type=click.IntRange(8),
    help="Height and width of a frame, in pixels.",
)
@click.option(
    "--channel-base",
    default=32768,
    show_default=True,
    type=click.IntRange(1),
    help="Network width: layers at resolution r have CHANNEL_BASE / r channels, up to CHANNEL_MAX.",
)
@click.option(
    "--channel-max",
    default=512,
    show_default=True,
    type=click.IntRange(1),
    help="Largest number of channels of a layer.",
)
@click.option(
    "--batch",
    type=click.IntRange(1),
    help="Images per batch; clips per batch for i3d; subjects for latents.  [default: chosen for a "
    "CPU or an accelerator]",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Number format of the convolutions; the reference matrix products are always float32.",
)
@click.option(
    "--remat",
    is_flag=True,
    help="Recompute activations of R1 and path length instead of storing them; only for `benchmark "
    "compilation`.",
)
@click.option(
    "--rounds",
    default=3,
    show_default=True,
    type=click.IntRange(1),
    help="Number of repeats; the median time is printed.",
)
@click.option(
    "--data",
    type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False),
    help="Training records to read in `benchmark pipeline`.  [default: records made for the test]",
)
@click.option(
    "--network",
    type=click.Choice(["inception", "lpips", "i3d"]),
    default="inception",
    show_default=True,
    help="Network to time in `benchmark features`.",
)
@JSON
def command(
    what: str,
    size: int,
    channel_base: int,
    channel_max: int,
    batch: int | None,
    dtype: str,
    remat: bool,
    rounds: int,
    data: pathlib.Path | None,
    network: str,
    report: pathlib.Path | None,
) -> None:
    """Measure the speed of synthesis, projection, training and more.

    The default sizes are those of the paper. Prints the time, and the speed relative to float32
    matrix products of size 2048³ that are timed in between. This ratio can be compared between
    machines. It counts only the operations that an ideal implementation needs.

    `compilation` runs nothing: it prints the compile time and the memory of a training step.
    """
    import jax

    from gancmri_jax.benchmarks.compilation import Compilation, benchmark_compilation
    from gancmri_jax.benchmarks.features import benchmark_features
    from gancmri_jax.benchmarks.latents import benchmark_latents
    from gancmri_jax.benchmarks.measure import Result
    from gancmri_jax.benchmarks.pipeline import benchmark_pipeline
    from gancmri_jax.benchmarks.projection import benchmark_projection
    from gancmri_jax.benchmarks.synthesis import benchmark_synthesis
    from gancmri_jax.benchmarks.training import benchmark_training
    from gancmri_jax.model.mesh import spread_over_cores

    idle = {
        "data": what != "pipeline",
        "network": what != "features",
        "dtype": what in ("pipeline", "features", "latents"),
        "channel_base": what in ("pipeline", "features", "latents"),
        "channel_max": what in ("pipeline", "features", "latents"),
        "size": what == "latents" or (what == "features" and network != "lpips"),
        "remat": what != "compilation",
        "rounds": what == "compilation",
    }
    context = click.get_current_context()
    for name, is_idle in idle.items():
        if is_idle and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"--{name.replace('_', '-')} has no effect with {what} here; remove it"
            )
    if size & (size - 1) and what != "pipeline":
        raise click.UsageError(f"--size must be a power of two, got {size}")
    networks = size, channel_base, channel_max
    result: Result | Compilation
    if what == "synthesis":
        result = benchmark_synthesis(*networks, batch, dtype, rounds)
    else:
        if what in ("training", "projection"):
            spread_over_cores(batch or _BATCH[what][0])
        batch = batch or _BATCH[what][jax.default_backend() != "cpu"]
        if what == "pipeline":
            result = benchmark_pipeline(size, batch, data, rounds)
        elif what == "features":
            result = benchmark_features(network, size, batch, rounds)
        elif what == "projection":
            result = benchmark_projection(*networks, batch, dtype, rounds)
        elif what == "latents":
            result = benchmark_latents(batch, rounds)
        elif what == "compilation":
            result = benchmark_compilation(*networks, batch, dtype, remat)
        else:
            result = benchmark_training(*networks, batch, dtype, rounds)
    answer = Answer(report)
    answer.say(result)
    answer.give(result.as_json())
