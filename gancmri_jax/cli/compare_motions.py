"""`gancmri compare-motions`: how the models of the beat move hearts, beside real beats."""

import pathlib

import click
from tqdm import tqdm

from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cli.reading import measured_split, read_chosen, reads_cines
from gancmri_jax.cli.writing import JSON, Answer


@click.command("compare-motions")
@reads_cines
@click.option(
    "--model",
    "name",
    default="demo",
    show_default=True,
    help="Model: demo, a model file or a run folder.",
)
@measured_split
@click.option("--videos", type=click.IntRange(1), help="Use only the first N videos.", metavar="N")
@click.option(
    "--hearts",
    default=32,
    show_default=True,
    type=click.IntRange(1),
    help="Number of generated hearts per motion.",
)
@click.option(
    "--frames",
    default=25,
    show_default=True,
    type=click.IntRange(3),
    help="Frames to measure per heartbeat, evenly spaced.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path, file_okay=False),
    help="Output folder.",
)
@JSON
def command(
    name: str,
    source: pathlib.Path,
    reading: ReadOptions,
    keep_ids: bool,
    split: str | None,
    videos: int | None,
    hearts: int,
    frames: int,
    out: pathlib.Path,
    report: pathlib.Path | None,
) -> None:
    """Compare generated motions with real heartbeats.

    Generates the same hearts with every motion of the model and measures them and the real cines of
    --input: fractional area change, time of ES, smoothness, wall thickening, descent of the mitral
    plane, and filling of the atria.

    Writes OUT/motions.md and motions.png. To resume after an interruption, run the same command
    again.
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
        raise InputError(f"{name}: contains no motion; add it with `gancmri fit`")
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
    answer = Answer(report)
    journal = Journal(out, settings, answer.say)
    with tqdm(total=len(cines) + hearts * len(motions), unit=" beats", desc="measure") as bar:
        results = compare_motions(model, cines, journal, hearts, frames, bar.update)
    told = (
        f"{hearts} hearts of each motion, {len(cines)} real beats, {frames} frames of each, "
        f"{model.resolution}×{model.resolution}, on {hardware()}; medians, measured by the model's "
        "segmenter.",
    )
    rows = table(results, model)
    write_markdown(out / "motions.md", rows, told)
    draw_curves(out / "motions.png", results)
    answer.say((out / "motions.md").read_text().rstrip())
    answer.give({"hearts": hearts, "real_beats": len(cines), "frames": frames, "motions": rows})
