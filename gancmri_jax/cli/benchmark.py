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
@click.argument("what", type=click.Choice(["synthesis", *_BATCH, "study", "all"]))
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
    help="Number format of the convolutions.",
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
@click.option(
    "--target",
    metavar="PLATFORM:CHIP:SHAPE",
    help="Chips to compile for in `benchmark compilation`, which need not be here: tpu:v5e:2x2, "
    "cuda:h200:4.",
)
@click.option(
    "--subjects",
    default=45_531,
    show_default=True,
    type=click.IntRange(8),
    help="Subjects of the made-up study in `benchmark study`.",
)
@click.option(
    "--config",
    metavar="NAME",
    help="Training configuration: for `benchmark compilation --target`, which --size, "
    "--channel-base, --channel-max, --batch and --dtype override, and for `benchmark all`.  "
    "[default: ukbb256; phantom256 for all]",
)
@click.option(
    "--model",
    metavar="FILE",
    help="Model file that `benchmark all` trains on; `gancmri export --format training` writes it.",
)
@click.option(
    "--minutes",
    default=8.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Time for `benchmark all`.",
)
@click.option(
    "--out",
    type=click.Path(path_type=pathlib.Path, file_okay=False),
    help="Folder for what `benchmark all` finds: at most 8 files of at most 16 MiB.",
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
    target: str | None,
    subjects: int,
    config: str | None,
    model: str | None,
    minutes: float,
    out: pathlib.Path | None,
    report: pathlib.Path | None,
) -> None:
    """Measure the speed of synthesis, projection, training and more.

    The default sizes are those of the paper. Prints the time, and the speed relative to matrix
    products that are timed in between: float32 of size 2048³ on a CPU, bfloat16 of size 8192³ on
    an accelerator, where copies are timed too. This ratio can be compared between machines. It
    counts only the operations that an ideal implementation needs.

    `compilation` runs nothing: it prints the compile time and the memory of a training step. With
    --target it compiles every program for other chips and prints memory, operations, bytes,
    collectives and estimated times.

    `study` writes the codes of a made-up study and fits a model to them, as a whole biobank's, and
    prints time, memory and files of each stage; hours of stages of networks are computed.

    `all` is for an accelerator that is lent for some minutes: it compares results with the CPU's,
    times everything, and trains --model on for the rest of --minutes.
    """
    context = click.get_current_context()

    def is_given(name: str) -> bool:
        return context.get_parameter_source(name) is ParameterSource.COMMANDLINE

    if target is not None and what != "compilation":
        raise click.UsageError("--target needs `benchmark compilation`")
    if config is not None and target is None and what != "all":
        raise click.UsageError("--config needs --target, or `benchmark all`")
    if what == "all":
        if wrong := [name for name in ("data", "network", "remat", "dtype") if is_given(name)]:
            raise click.UsageError(f"--{wrong[0]} has no effect with all; remove it")
        if report is not None:
            raise click.UsageError("--json has no effect with all, which writes report.json")
        if model is None or out is None:
            raise click.UsageError("`benchmark all` needs --model and --out")
        numbers = [size, channel_base, channel_max, batch, rounds]
        _run_all(out, model, config or "phantom256", minutes, numbers, is_given("size"))
        return
    if wrong := [name for name in ("model", "minutes", "out") if is_given(name)]:
        raise click.UsageError(f"--{wrong[0]} needs `benchmark all`")
    if is_given("subjects") and what != "study":
        raise click.UsageError("--subjects needs `benchmark study`")
    if what == "study":
        names = ("channel_base", "channel_max", "batch", "dtype", "remat", "rounds", "data")
        if wrong := [name for name in (*names, "network") if is_given(name)]:
            raise click.UsageError(
                f"--{wrong[0].replace('_', '-')} has no effect with study; remove it"
            )
        _run_study(subjects, size, report)
        return
    if target is not None:
        if wrong := [name for name in ("data", "network", "rounds") if is_given(name)]:
            raise click.UsageError(f"--{wrong[0]} has no effect with --target; remove it")
        values = dict(
            resolution=size,
            channel_base=channel_base,
            channel_max=channel_max,
            batch_size=batch,
            dtype=dtype,
            remat=remat,
        )
        options = dict(size="resolution", batch="batch_size")
        changes: dict[str, object] = {
            options.get(name, name): values[options.get(name, name)]
            for name in ("size", "channel_base", "channel_max", "batch", "dtype", "remat")
            if is_given(name)
        }
        _compile_ahead(target, config or "ukbb256", changes, report)
        return

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
    for name, is_idle in idle.items():
        if is_idle and is_given(name):
            raise click.UsageError(
                f"--{name.replace('_', '-')} has no effect with {what} here; remove it"
            )
    if size & (size - 1) and what != "pipeline":
        raise click.UsageError(f"--size must be a power of two, got {size}")
    networks = size, channel_base, channel_max
    result: Result | Compilation
    if what == "synthesis":
        result = benchmark_synthesis(*networks, batch, dtype, rounds)  # type: ignore[arg-type]
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


def _run_study(subjects: int, size: int, report: pathlib.Path | None) -> None:
    if size & (size - 1):
        raise click.UsageError(f"--size must be a power of two, got {size}")

    from gancmri_jax.benchmarks.study import benchmark_study

    found = benchmark_study(
        subjects, size, on_stage=lambda stage: click.echo(f"{stage} …", err=True)
    )
    answer = Answer(report)
    answer.say(found)
    answer.give(found.as_json())


def _compile_ahead(
    target: str, name: str, changes: dict[str, object], report: pathlib.Path | None
) -> None:
    from tqdm import tqdm

    from gancmri_jax.benchmarks.ahead import compile_ahead
    from gancmri_jax.benchmarks.chips import parse_target, prepare_environment
    from gancmri_jax.benchmarks.programs import PROGRAMS
    from gancmri_jax.training.config import check_config, read_config

    parse_target(target)
    prepare_environment()
    config = read_config(name)
    with config.unlocked():
        config.update(changes)
    check_config(config)
    with tqdm(total=len(PROGRAMS), unit="program") as bar:
        found = compile_ahead(target, config, name, lambda _: bar.update())
    answer = Answer(report)
    answer.say(found)
    answer.give(found.as_json())


def _run_all(
    out: pathlib.Path,
    model: str,
    name: str,
    minutes: float,
    given: list[int | None],
    is_small: bool,
) -> None:
    from gancmri_jax.benchmarks.session import Sizes, run_session
    from gancmri_jax.training.config import read_config

    size, channel_base, channel_max, batch, rounds = given
    names = dict(size=size, channel_base=channel_base, channel_max=channel_max, rounds=rounds)
    if batch is not None:
        names |= dict(projected=batch, trained=batch, looked_at=batch)
    if is_small:  # a rehearsal
        names |= dict(subjects=2, frames=4, steps=40)
    sizes = Sizes(**names)  # type: ignore[arg-type]
    found = run_session(out, model, read_config(name), minutes, sizes, click.echo)
    failed = [stage for stage, values in found["stages"].items() if "failed" in values]
    if failed:
        click.echo(f"failed: {', '.join(failed)}; see {out / 'report.json'}", err=True)
        raise click.exceptions.Exit(1)
