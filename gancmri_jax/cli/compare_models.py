"""`gancmri compare-models`: how good models of phantoms are, beside phantoms they have not seen."""

import pathlib

import click

from gancmri_jax.cli.comparing import progress
from gancmri_jax.cli.writing import JSON, Answer


@click.command("compare-models")
@click.option(
    "--model",
    "names",
    multiple=True,
    default=("demo",),
    show_default=True,
    help="Model: demo, a model file or a run folder; repeat for more of the same size.",
)
@click.option(
    "--subjects",
    default=100,
    show_default=True,
    type=click.IntRange(8),
    help="Number of held-out phantom hearts; every fifth is clinical.",
)
@click.option(
    "--frames",
    default=2000,
    show_default=True,
    type=click.IntRange(8),
    help="Number of frames of each set behind distances of frames.",
)
@click.option(
    "--hearts",
    default=64,
    show_default=True,
    type=click.IntRange(1),
    help="Number of normal hearts whose beats are measured.",
)
@click.option(
    "--seed",
    default=9400,
    show_default=True,
    type=click.IntRange(0, 2**31 - 1),
    help="Seed of the phantoms; not one of a model's training records.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path, file_okay=False),
    help="Output folder.",
)
@JSON
def command(
    names: tuple[str, ...],
    subjects: int,
    frames: int,
    hearts: int,
    seed: int,
    out: pathlib.Path,
    report: pathlib.Path | None,
) -> None:
    """Compare models of phantoms with phantoms that they have not seen.

    Measures distances of frames and videos (segmenters' features, FID, FVD), fine detail, how well
    frames are rendered from their codes, and how hearts move. Judges are the segmenters that ship
    with the package, which no training may use. What needs weights that are not there is left out.

    Writes OUT/models.md, models.json and models.png. To resume after an interruption, run the same
    command again.
    """
    import json

    from tqdm import tqdm

    from gancmri_jax.atomic import atomic_write
    from gancmri_jax.errors import InputError
    from gancmri_jax.experiments.figures import draw_frames
    from gancmri_jax.experiments.hardware import hardware
    from gancmri_jax.experiments.held_out import held_out
    from gancmri_jax.experiments.journal import Journal
    from gancmri_jax.experiments.model_table import PHANTOMS, ModelTable, random_frames, write_table
    from gancmri_jax.model.file import load_model

    models = {name: load_model(name) for name in names}
    sizes = {model.resolution for model in models.values()}
    if len(sizes) > 1:
        raise InputError(
            f"the models make images of {' and '.join(f'{s}²' for s in sorted(sizes))}; compare "
            "models of one size"
        )
    if PHANTOMS in models:
        raise InputError(f"a model cannot be called {PHANTOMS} here; give its path")
    (size,) = sizes
    answer = Answer(report)
    settings = {
        "models": {name: [m.fingerprint, m.card.get("fit")] for name, m in models.items()},
        "subjects": subjects,
        "frames": frames,
        "hearts": hearts,
        "seed": seed,
    }
    journal = Journal(out, settings, answer.say)
    phantoms = [
        held_out(seed, index, size, frames=50)
        for index in tqdm(range(subjects), desc="phantoms", unit=" hearts")
    ]
    table = ModelTable(phantoms, frames, hearts, seed, journal, progress())
    columns = {PHANTOMS: table.measure_phantoms()}
    columns |= {name: table.measure(name, model) for name, model in models.items()}
    told = (
        f"{subjects} held-out phantoms (seed {seed}; a fifth clinical), {frames} frames of each "
        f"set, {size}×{size}, on {hardware()}. Under phantoms: distances between two halves of "
        "them; what the same frames reach with other noise; their own beats.",
    )
    write_table(out / "models.md", columns, told)
    draw_frames(out / "models.png", random_frames(phantoms, models, seed))
    with atomic_write(out / "models.json") as part:
        part.write_text(json.dumps({**settings, "results": columns}, indent=2) + "\n")
    answer.say((out / "models.md").read_text().rstrip())
    answer.give(columns)
