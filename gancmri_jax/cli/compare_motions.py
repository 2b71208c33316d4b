"""`gancmri compare-motions`: how the models of the beat move hearts, beside real beats."""

import pathlib

import click
from tqdm import tqdm

from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cli.reading import read_chosen, reads_cines, split_option


@click.command("compare-motions")
@reads_cines
@click.option("--model", "name", default="demo", show_default=True, help="demo, model file or run.")
@split_option("test")
@click.option("--videos", type=click.IntRange(1), help="Only the first so many real beats.")
@click.option(
    "--hearts", default=32, show_default=True, type=click.IntRange(1), help="Of each motion."
)
@click.option(
    "--frames",
    default=25,
    show_default=True,
    type=click.IntRange(3),
    help="Of a beat that are measured, at equal parts of it.",
)
@click.option("--out", required=True, type=click.Path(path_type=pathlib.Path, file_okay=False))
def command(
    name: str,
    source: pathlib.Path,
    reading: ReadOptions,
    keep_ids: bool,
    split: str,
    videos: int | None,
    hearts: int,
    frames: int,
    out: pathlib.Path,
) -> None:
    """Move the same hearts by every motion that the model has learned, and measure the beats.

    OUT gets motions.md and motions.png: how far, when and how smoothly the ventricle empties, and
    whether walls thicken, the mitral plane descends and the atria fill, beside the real beats of
    --input. What is measured stays in OUT, and the same command goes on with the rest.
    """
    import hashlib

    from gancmri_jax.errors import InputError
    from gancmri_jax.experiments.hardware import hardware
    from gancmri_jax.experiments.journal import Journal
    from gancmri_jax.experiments.motion_report import draw_curves, write_markdown
    from gancmri_jax.experiments.motion_table import compare_motions, table
    from gancmri_jax.model.file import load_model

    model = load_model(name)
    motions = model.motion.names
    if not motions:
        raise InputError(f"{name}: has learned no motion; see `gancmri fit`")
    cines = read_chosen(source, model.resolution, reading, keep_ids, split, videos)
    digest = hashlib.sha256()
    for cine in cines:
        digest.update(f"{cine.ed_frame} {cine.spacing_mm} {cine.pixels.shape}".encode())
        digest.update(cine.pixels.tobytes())
    settings = {
        "model": [model.fingerprint, model.card.get("fit")],
        "segmenter": model.segmenter and model.segmenter.fingerprint,
        "videos": digest.hexdigest()[:16],
        "hearts": hearts,
        "frames": frames,
    }
    journal = Journal(out, settings, tqdm.write)
    with tqdm(total=len(cines) + hearts * len(motions), unit=" beats", desc="measure") as bar:
        results = compare_motions(model, cines, journal, hearts, frames, bar.update)
    told = (
        f"{hearts} hearts of each motion, {len(cines)} real beats, {frames} frames of each, "
        f"{model.resolution}×{model.resolution}, on {hardware()}; medians, measured by the model's "
        "segmenter.",
    )
    write_markdown(out / "motions.md", table(results, model), told)
    draw_curves(out / "motions.png", results)
    click.echo((out / "motions.md").read_text().rstrip())
