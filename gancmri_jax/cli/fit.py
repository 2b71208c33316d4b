"""`gancmri fit`: learn motion and phenotype directions from latent codes."""

import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from gancmri_jax.fitting.fit import FitReport


@click.command("fit")
@click.option("--model", "name", required=True, help="Model file or run that the codes are of.")
@click.option(
    "--latents",
    "stores",
    required=True,
    multiple=True,
    type=click.Path(path_type=pathlib.Path),
    help="Latent store; give several to learn from all.",
)
@click.option(
    "--phenotypes",
    "table",
    type=click.Path(path_type=pathlib.Path),
    help="phenotypes.csv: one line a subject.",
)
@click.option(
    "--phenotype", "only", multiple=True, help="Only this direction, e.g. lv_area; repeat for more."
)
@click.option(
    "--directions",
    "how",
    type=click.Choice(["means", "regression"]),
    default="means",
    show_default=True,
    help="Mean of high minus mean of low, as published, or the slope of w over the phenotype.",
)
@click.option(
    "--orthogonal", is_flag=True, help="Bring the directions of --phenotype to right angles."
)
@click.option(
    "--calibrate",
    is_flag=True,
    help="Lengthen motion until hearts' fractional area change, as the model's segmenter measures "
    "it, is the median lv_fac_percent of the projected subjects, each heart by what it needs.",
)
@click.option(
    "--segmenter",
    help="Model or run whose segmenter the model gets, where it has none: it measures hearts.",
)
@click.option(
    "--frames", default=50, show_default=True, type=click.IntRange(3), help="Frames of a beat."
)
@click.option("--out", required=True, type=click.Path(path_type=pathlib.Path))
def command(
    name: str,
    stores: tuple[pathlib.Path, ...],
    table: pathlib.Path | None,
    only: tuple[str, ...],
    how: Literal["means", "regression"],
    orthogonal: bool,
    calibrate: bool,
    segmenter: str | None,
    frames: int,
    out: pathlib.Path,
) -> None:
    """Write the model again, with motion from ED to ES and back and phenotype directions.

    Of each model of the beat it prints how far it goes along the way from ED to ES, when, the step
    that closes it over the mean step, and its roughness (0 is steady, 1.7 jitter alone).
    """
    import dataclasses

    from gancmri_jax.fitting.fit import FitOptions, fit
    from gancmri_jax.model.file import load_model, load_segmenter_of

    if table is None and (only or orthogonal or calibrate):
        raise click.UsageError(
            "--phenotype, --orthogonal and --calibrate need --phenotypes, the table"
        )
    if orthogonal and len(only) < 2:
        raise click.UsageError("--orthogonal needs two directions at least, each by --phenotype")
    model = load_model(name)
    if segmenter is not None and model.segmenter is None:
        model = dataclasses.replace(model, segmenter=load_segmenter_of(segmenter))
    report = fit(model, stores, out, FitOptions(table, only, how, orthogonal, calibrate, frames))
    for line in _lines(report):
        click.echo(line)
    click.echo(f"wrote {out}")


def _lines(report: "FitReport") -> Iterator[str]:
    from gancmri_jax.latents.paths import PAPER_CONTRACTION

    for part, count in report.counts.items():
        yield f"{part}: of {count} videos"
    if not report.whole_beats:
        yield "frame_to_frame: none; no video has all its frames projected"
    if report.contraction_r2 is None:
        yield (
            f"contraction: none, so every heart starts at w − {PAPER_CONTRACTION} k_ED→ES; it "
            "needs five whole beats, and a cross-validated R² above 0"
        )
    else:
        yield f"contraction: cross-validated R² = {report.contraction_r2:.2f}"
    if report.directions:
        videos = [f"{name} ({count} videos)" for name, count in report.directions.items()]
        yield f"directions: {', '.join(videos)}"
    if report.calibration is not None:
        yield f"scaled to a fractional area change of {report.fac_percent:.1f} %: " + str(
            report.calibration
        )
    yield "motion        to ES  frame  closure  roughness"
    for motion, (peak, frame, closure, rough) in report.figures.items():
        yield f"{motion:12} {peak:6.0%} {frame:6} {closure:8.2f} {rough:10.2f}"
