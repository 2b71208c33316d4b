"""`gancmri fit`: learn motion and phenotype directions from latent codes."""

import pathlib
from typing import Any

import click


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
    "--frames", default=50, show_default=True, type=click.IntRange(3), help="Frames of a beat."
)
@click.option("--out", required=True, type=click.Path(path_type=pathlib.Path))
def command(
    name: str,
    stores: tuple[pathlib.Path, ...],
    table: pathlib.Path | None,
    only: tuple[str, ...],
    frames: int,
    out: pathlib.Path,
) -> None:
    """Write the model again, with ED-to-ES and frame-to-frame motion and phenotype directions."""
    from gancmri_jax.cine.phenotypes import read_phenotypes
    from gancmri_jax.cine.subject import hash_subject, subject_key
    from gancmri_jax.errors import InputError
    from gancmri_jax.latents.codes import concatenate
    from gancmri_jax.latents.pca import PAPER_COMPONENTS, pca_residual
    from gancmri_jax.latents.steps import retained_motion
    from gancmri_jax.model.file import load_model, save_model
    from gancmri_jax.model.fit import fit_directions, fit_motion, with_fit
    from gancmri_jax.projection.store import read_latents

    if only and table is None:
        raise click.UsageError("--phenotype needs --phenotypes, the table that it stands in")
    model = load_model(name)
    parts, provenances = zip(*map(read_latents, stores), strict=True)
    for store, provenance in zip(stores, provenances, strict=True):
        if provenance["model"] != model.fingerprint:
            raise InputError(f"{store}: holds codes of another model than {name}; project again")
    codes = concatenate(parts)

    trajectories, counts = fit_motion(codes, frames)
    note: dict[str, Any] = {
        "latents": list(provenances),
        "mean_distance": round(float(codes.distances[codes.valid].mean()), 5),
    }
    click.echo(f"ed_to_es: mean of {counts['ed_to_es']} videos")
    if "frame_to_frame" in trajectories:
        steps, ed_to_es = trajectories["frame_to_frame"], trajectories["ed_to_es"]
        kept = retained_motion(steps, ed_to_es)
        note["retained_motion"] = {"peak": round(kept.peak, 4), "frame": kept.frame}
        click.echo(
            f"frame_to_frame: mean of {counts['frame_to_frame']} videos; "
            f"goes {kept.peak:.0%} of the way to ES, by frame {kept.frame}"
        )
        if len(steps) > PAPER_COMPONENTS + 1:
            kept = retained_motion(pca_residual(steps), ed_to_es)
            click.echo(f"  after pca_residual, {PAPER_COMPONENTS} components: {kept.peak:.0%}")
    else:
        click.echo("frame_to_frame: none; no video has all its frames projected")

    directions: dict[str, Any] = {}
    if table is not None:
        phenotypes = read_phenotypes(table)
        if not phenotypes.keys() & set(codes.subjects):
            key = subject_key()
            phenotypes = {hash_subject(s, key): values for s, values in phenotypes.items()}
        directions, videos = fit_directions(codes, phenotypes, only)
        counts |= videos
        click.echo(f"directions: {', '.join(f'{n} ({videos[n]} videos)' for n in directions)}")
    save_model(with_fit(model, trajectories, directions, {"counts": counts, **note}), out)
    click.echo(f"wrote {out}")
