"""`gancmri fit`: learn motion and phenotype directions from latent codes."""

import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import click

from gancmri_jax.cli.writing import JSON, Answer

if TYPE_CHECKING:
    from gancmri_jax.fitting.fit import FitReport


@click.command("fit")
@click.option("--model", "name", required=True, help="Model: demo, a model file or a run folder.")
@click.option(
    "--latents",
    "stores",
    required=True,
    multiple=True,
    type=click.Path(path_type=pathlib.Path),
    help="Latent store from `gancmri project` with this model; repeat for more.",
)
@click.option(
    "--phenotypes",
    "table",
    type=click.Path(path_type=pathlib.Path),
    help="phenotypes.csv: one row per subject; needed for directions.",
)
@click.option(
    "--phenotype",
    "only",
    multiple=True,
    help="Phenotype to learn a direction for, e.g. lv_area; repeat for more.  [default: all in "
    "phenotypes.csv]",
)
@click.option(
    "--directions",
    "how",
    type=click.Choice(["means", "regression"]),
    default="means",
    show_default=True,
    help="means: mean code of subjects above the phenotype's mean, minus that of the others, as in "
    "the paper. regression: slope of the code over the phenotype.",
)
@click.option(
    "--orthogonal", is_flag=True, help="Make the directions named by --phenotype orthogonal."
)
@click.option(
    "--calibrate",
    is_flag=True,
    help="Scale motion so that the median fractional area change (FAC) of generated hearts matches "
    "that of the projected subjects, with a correction per heart. Needs the column lv_fac_percent "
    "in phenotypes.csv.",
)
@click.option(
    "--segmenter",
    help="Segmenter to add if the model has none: demo, a model file that contains one, or a run "
    "folder of `gancmri train-segmenter`.",
)
@click.option(
    "--keep-flagged",
    is_flag=True,
    help="Learn also from subjects whose segmentation is flagged in phenotypes.csv.",
)
@click.option(
    "--frames", default=50, show_default=True, type=click.IntRange(3), help="Frames per heartbeat."
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path),
    help="Output model file (.safetensors).",
)
@JSON
def command(
    name: str,
    stores: tuple[pathlib.Path, ...],
    table: pathlib.Path | None,
    only: tuple[str, ...],
    how: Literal["means", "regression"],
    orthogonal: bool,
    calibrate: bool,
    segmenter: str | None,
    keep_flagged: bool,
    frames: int,
    out: pathlib.Path,
    report: pathlib.Path | None,
) -> None:
    """Learn motion and phenotype directions from latent codes.

    Writes a copy of the model that contains them. Subjects whose segmentation is flagged in
    phenotypes.csv are left out and listed. Prints a table of motions with these columns:

    \b
    to ES      furthest point of the motion between ED (0 %) and ES (100 %)
    frame      frame number of that point
    closure    step from the last frame to the first, relative to the mean step
    roughness  0 for a steady path, 1.7 for pure jitter
    """
    import dataclasses

    from gancmri_jax.cli.comparing import progress
    from gancmri_jax.fitting.fit import FitOptions, fit
    from gancmri_jax.model.file import load_model, load_segmenter_of

    if table is None and (only or orthogonal or calibrate):
        raise click.UsageError(
            "--phenotype, --orthogonal and --calibrate need --phenotypes PHENOTYPES.CSV"
        )
    if orthogonal and len(only) < 2:
        raise click.UsageError(
            "--orthogonal needs at least two phenotypes; repeat --phenotype for each"
        )
    model = load_model(name)
    if segmenter is not None and model.segmenter is None:
        model = dataclasses.replace(model, segmenter=load_segmenter_of(segmenter))
    options = FitOptions(table, only, how, orthogonal, calibrate, frames, keep_flagged)
    start = progress(delay=2)
    found = fit(model, stores, out, options, lambda videos: start("read codes", videos))
    answer = Answer(report)
    for line in _lines(found):
        answer.say(line)
    answer.say(f"wrote {out}")
    answer.give(found.as_json())


def _lines(report: "FitReport") -> Iterator[str]:
    from gancmri_jax.latents.paths import PAPER_CONTRACTION

    if report.left_out:
        listed = ", ".join(f"{subject} ({flags})" for subject, flags in report.left_out.items())
        yield (
            f"left out {len(report.left_out)} subjects whose segmentation is flagged: {listed}; "
            "include them with --keep-flagged"
        )
    for part, count in report.counts.items():
        yield f"{part}: learned from {count} videos"
    if not report.whole_beats:
        yield "frame_to_frame: not learned; no video has all its frames projected"
    if report.contraction_r2 is None:
        yield (
            f"contraction: not learned, so every heart starts at w − {PAPER_CONTRACTION} k_ED→ES; "
            "learning it needs five whole beats and a cross-validated R² above 0"
        )
    else:
        yield f"contraction: cross-validated R² = {report.contraction_r2:.2f}"
    if report.directions:
        videos = [f"{name} ({count} videos)" for name, count in report.directions.items()]
        yield f"directions: {', '.join(videos)}"
    if report.calibration is not None:
        change = f"a median fractional area change of {report.fac_percent:.1f} %"
        yield f"motion scaled to {change}: {report.calibration}"
    yield "motion        to ES  frame  closure  roughness"
    for motion, (peak, frame, closure, rough) in report.figures.items():
        yield f"{motion:12} {peak:6.0%} {frame:6} {closure:8.2f} {rough:10.2f}"
