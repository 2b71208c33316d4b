"""`gancmri fit`: learn motion and phenotype directions from latent codes."""

import pathlib
from typing import Any

import click


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
    "--frames", default=50, show_default=True, type=click.IntRange(3), help="Frames per heartbeat."
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path),
    help="Output model file (.safetensors).",
)
def command(
    name: str,
    stores: tuple[pathlib.Path, ...],
    table: pathlib.Path | None,
    only: tuple[str, ...],
    how: str,
    orthogonal: bool,
    calibrate: bool,
    segmenter: str | None,
    frames: int,
    out: pathlib.Path,
) -> None:
    """Learn motion and phenotype directions from latent codes.

    Writes a copy of the model that contains them. Prints a table of motions with these columns:

    \b
    to ES      furthest point of the motion between ED (0 %) and ES (100 %)
    frame      frame number of that point
    closure    step from the last frame back to the first, relative to the mean step
    roughness  0 for a steady path, 1.7 for pure jitter
    """
    import dataclasses
    import math

    import numpy as np

    from gancmri_jax.cine.phenotypes import read_phenotypes
    from gancmri_jax.cine.subject import hash_subject, subject_key
    from gancmri_jax.errors import InputError
    from gancmri_jax.latents.codes import concatenate
    from gancmri_jax.latents.paths import PAPER_CONTRACTION
    from gancmri_jax.model.file import load_model, load_segmenter_of, save_model
    from gancmri_jax.model.fit import (
        fit_directions,
        fit_motion,
        motion_figures,
        to_float16,
        with_fit,
    )
    from gancmri_jax.projection.store import read_latents

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
    parts, provenances = zip(*map(read_latents, stores), strict=True)
    for store, provenance in zip(stores, provenances, strict=True):
        if provenance["model"] != model.fingerprint:
            raise InputError(f"{store}: holds codes of another model than {name}; project again")
    codes = concatenate(parts)

    trajectories, counts, explained = fit_motion(codes, frames)
    note: dict[str, Any] = {
        "latents": list(provenances),
        "mean_distance": round(float(codes.distances[codes.valid].mean()), 5),
    }
    for learned, count in counts.items():
        click.echo(f"{learned}: of {count} videos")
    if "frame_to_frame" not in trajectories:
        click.echo("frame_to_frame: none; no video has all its frames projected")
    if explained is not None and "contraction" in trajectories:
        note["contraction_explained"] = round(explained, 4)
        click.echo(f"{explained:.0%} of contraction is foretold of beats left out")
    else:
        click.echo(
            f"contraction: none, so that every heart starts at w − {PAPER_CONTRACTION} k_ED→ES; "
            "it takes five whole beats, and codes that foretell it"
        )

    directions: dict[str, Any] = {}
    if table is not None:
        phenotypes = read_phenotypes(table)
        if not phenotypes.keys() & set(codes.subjects):
            key = subject_key()
            phenotypes = {hash_subject(s, key): values for s, values in phenotypes.items()}
        directions, videos = fit_directions(codes, phenotypes, only, how, orthogonal)  # type: ignore[arg-type]
        counts |= videos
        note["directions"] = how + (", orthogonal" if orthogonal else "")
        click.echo(f"directions: {', '.join(f'{n} ({videos[n]} videos)' for n in directions)}")
    if calibrate:
        from gancmri_jax.physiology.calibration import calibrate as calibrated

        known = phenotypes.keys() & set(codes.subjects)
        wanted = [phenotypes[subject].get("lv_fac_percent", math.nan) for subject in known]
        if not any(map(math.isfinite, wanted)):
            raise InputError(
                f"{table}: has no lv_fac_percent of projected subjects to calibrate motion by"
            )
        fac_percent = float(np.nanmedian(wanted))
        lengthened, done = calibrated(with_fit(model, trajectories, {}, {}), fac_percent)
        trajectories = lengthened.trajectories
        note["calibrated"] = {"lv_fac_percent": fac_percent, **done._asdict()}
        click.echo(f"lengthened to a fractional area change of {fac_percent:.1f} %: {done}")

    figures = motion_figures(trajectories, frames)
    note["motions"] = {
        motion: {
            "peak": round(figure.peak, 4),
            "frame": figure.frame,
            "closure": round(figure.closure, 3),
            "roughness": round(figure.roughness, 3),
        }
        for motion, figure in figures.items()
    }
    click.echo("motion        to ES  frame  closure  roughness")
    for motion, (peak, frame, closure, rough) in figures.items():
        click.echo(f"{motion:12} {peak:6.0%} {frame:6} {closure:8.2f} {rough:10.2f}")
    trajectories, directions = to_float16(trajectories), to_float16(directions)
    save_model(with_fit(model, trajectories, directions, {"counts": counts, **note}), out)
    click.echo(f"wrote {out}")
