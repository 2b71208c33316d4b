"""`gancmri project`: find the latent codes of real frames."""

import pathlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cli.projecting import (
    MODE,
    SPACE,
    START,
    chosen_start,
    project_cines,
    projects_cines,
)
from gancmri_jax.cli.reading import read_chosen, reads_cines, split_option
from gancmri_jax.errors import InputError

if TYPE_CHECKING:
    from gancmri_jax.model.model import Model

_MOST_LISTED = 20  # flagged frames; the report has them all


@click.command("project")
@reads_cines
@projects_cines
@click.option("--out", required=True, type=click.Path(path_type=pathlib.Path), help="latents.zarr")
@click.option(
    "--frames",
    type=click.Choice(["all", "ed-es", "ed"]),
    default="all",
    show_default=True,
    help="Which frames of each video.",
)
@MODE
@click.option(
    "--later-steps",
    type=click.IntRange(1),
    help="Of frames that begin at their neighbour.  [default: a fifth of --steps]",
)
@SPACE
@click.option(
    "--pull-to-w",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0),
    help="In W+, how strongly rows are kept together.",
)
@START
@click.option(
    "--stop-at",
    type=click.FloatRange(0),
    help="Frames stop as soon as their distance is no larger.",
)
@click.option(
    "--flag-above",
    type=click.FloatRange(0),
    help="Flag frames whose distance is larger.  [default: five robust deviations above the "
    "study's median]",
)
@click.option(
    "--phenotypes",
    "table",
    type=click.Path(path_type=pathlib.Path),
    help="phenotypes.csv, whose ES frames count before all others.",
)
@split_option("train")
@click.option("--videos", type=click.IntRange(1), help="Only the first so many videos.")
@click.option("--report", is_flag=True, help="Draw how well it went into a folder beside --out.")
@click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    default="auto",
    show_default=True,
    help="What networks compute in; auto is bfloat16 but on a CPU.",
)
@click.option("--remat", is_flag=True, help="Spend a third more work on a larger batch.")
@click.option(
    "--distributed",
    is_flag=True,
    help="Run on several hosts, which JAX finds by its cluster's environment; each takes a share "
    "of the videos.",
)
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
    report: bool,
    dtype: str,
    remat: bool,
    distributed: bool,
) -> None:
    """Project frames into latent space; the same command goes on where it broke off.

    Codes, noise maps, distances, the way to them and flags are kept in --out, a Zarr group with a
    chunk for each video, which is written when it is done.
    """
    if later_steps is not None and mode != "neighbour":
        raise click.UsageError("--later-steps is for --mode neighbour")
    if pull_to_w and space != "w+":
        raise click.UsageError("--pull-to-w is for --space w+")

    import jax

    from gancmri_jax.model.mesh import spread_over_cores

    if distributed:
        _join_hosts()
    else:
        spread_over_cores(batch_size)

    from gancmri_jax.model.file import load_model
    from gancmri_jax.projection.projector import Settings
    from gancmri_jax.projection.report import flagged, write_report
    from gancmri_jax.projection.store import read_quality

    if dtype == "auto":
        dtype = "float32" if jax.default_backend() == "cpu" else "bfloat16"
    model = load_model(name)
    cines = _study(source, model.resolution, reading, keep_ids, split, videos)
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
    codes = project_cines(
        model,
        cines,
        out,
        settings,
        which=frames,
        mode=mode,
        later_steps=later_steps,
        batch_size=batch_size,
        seed=seed,
        find_es=_es_finder(model, table),
        flag_above=flag_above,
    )
    if jax.process_index():
        return  # the first process speaks for all
    quality = read_quality(out)
    distances = codes.distances[codes.valid]
    measured = (
        f"mean {distances.mean():.4f}, largest {distances.max():.4f}" if len(distances) else ""
    )
    click.echo(
        f"{(quality.steps > 0).sum()} frames of {len(codes.subjects)} videos in {out}; "
        f"{quality.provenance['distance']} distance: {measured or 'none is a number'}"
    )
    if stop_at is not None:
        taken = quality.steps[quality.steps > 0]
        near = int((distances <= stop_at).sum())
        click.echo(
            f"{near} frames reached {stop_at:g}; {taken.mean():.0f} steps a frame in the mean"
        )
    if report:
        folder = out.with_name(f"{out.stem}-report")
        write_report(folder, out, model, cines)
        click.echo(f"how well it went: {folder}")
    if bad := flagged(quality):
        click.echo(f"{len(bad)} frames are flagged; they stay in the store")
        for line in bad[:_MOST_LISTED]:
            click.echo(f"  {line}")
        if len(bad) > _MOST_LISTED:
            click.echo(f"  and {len(bad) - _MOST_LISTED} more; --report lists them all")


def _study(
    source: pathlib.Path,
    size: int,
    reading: ReadOptions,
    keep_ids: bool,
    split: str,
    videos: int | None,
) -> Sequence[Cine]:
    """Return the cines; records are read piece by piece, for memory may not hold them."""
    from gancmri_jax.cine.records import Records, is_records, record_splits

    if is_records(source) and reading == ReadOptions():
        splits = record_splits(source) if split == "all" else [split]
        records = Records(source, *splits)
        return records if videos is None else _First(records, videos)
    return read_chosen(source, size, reading, keep_ids, split, videos)


class _First(Sequence[Cine]):
    """The first cines of many, none of them read before it is asked for."""

    def __init__(self, cines: Sequence[Cine], most: int) -> None:
        self._cines, self._most = cines, min(most, len(cines))

    def __len__(self) -> int:
        return self._most

    def __getitem__(self, index: Any) -> Any:
        return self._cines[range(self._most)[index]]


def _es_finder(model: "Model", table: pathlib.Path | None) -> Callable[[Cine], tuple | None]:
    """Return what says a cine's ES frame: the table, the cine itself, or the model's segmenter."""
    import math

    from gancmri_jax.cine.phenotypes import read_phenotypes
    from gancmri_jax.cine.subject import hash_subject, subject_key
    from gancmri_jax.physiology.phenotypes import measure
    from gancmri_jax.segmentation.segment import segment

    known = read_phenotypes(table) if table else {}
    if known and "es_frame" not in next(iter(known.values())):
        raise InputError(f"{table}: has no column es_frame; leave --phenotypes out")
    by_name = {subject: values["es_frame"] for subject, values in known.items()}
    if by_name:
        key = subject_key()
        by_name |= {hash_subject(subject, key): frame for subject, frame in by_name.items()}

    def find(cine: Cine) -> tuple | None:
        if not math.isnan(frame := by_name.get(cine.subject, math.nan)):
            return int(frame), "phenotypes"
        if cine.es_frame is not None or model.segmenter is None:
            return None
        try:
            frame = measure(cine, segment(model.segmenter, cine)).phenotypes["es_frame"]
        except InputError:  # no contrast to segment
            return None
        return None if math.isnan(frame) else (int(frame), "segmenter")

    return find


def _join_hosts() -> None:
    import jax

    try:
        jax.distributed.initialize()
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"--distributed: JAX finds no cluster here ({' '.join(str(error).split())}); leave it "
            "out on one machine"
        ) from error
