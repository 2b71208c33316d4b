"""`gancmri phantom`: write phantom hearts as the files a study would give."""

import pathlib

import click
from tqdm import tqdm

from gancmri_jax.cine.phantom.population import POPULATIONS, Population
from gancmri_jax.cine.phantom.write import write_phantoms
from gancmri_jax.errors import InputError

MIN_SIZE, MAX_SIZE = 32, 1024
MIN_FRAMES = 8


@click.command("phantom")
@click.option(
    "--out", required=True, type=click.Path(path_type=pathlib.Path), help="Output folder."
)
@click.option("--subjects", default=64, show_default=True, help="Number of hearts.")
@click.option(
    "--size", default=256, show_default=True, help="Height and width of a frame, in pixels."
)
@click.option("--frames", default=50, show_default=True, help="Frames per heartbeat.")
@click.option("--seed", default=0, show_default=True, help="Random seed of the population.")
@click.option(
    "--population",
    type=click.Choice(POPULATIONS),
    default="normal",
    show_default=True,
    help="normal: healthy hearts. wide: healthy hearts with varied field of view, contrast and "
    "artefacts. clinical: hearts with hypertrophy, infarcts, dilation or atrial fibrillation.",
)
def command(
    out: pathlib.Path, subjects: int, size: int, frames: int, seed: int, population: Population
) -> None:
    """Write phantom hearts with known physiology as NIfTI files.

    Each subject has a folder with a four-chamber cine, la_4ch.nii.gz, and its mask,
    la_4ch_mask.nii.gz (0 background, 1 LV, 2 myocardium, 3 RV, 4 LA, 5 RA). OUT/phenotypes.csv
    lists LV area, sphericity index, ejection fraction and more for every subject; with
    --population wide or clinical, also diagnosis and imaging parameters.

    Subject k depends only on k, --seed and --population, not on the number of subjects.
    """
    _check(subjects, size, frames, seed)
    try:
        indices = tqdm(range(subjects), desc="phantom", unit="subject", disable=None)
        write_phantoms(out, indices, size, frames, seed, population)
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error}") from error
    click.echo(f"{subjects} subjects of {frames} frames at {size}x{size} in {out}")


def _check(subjects: int, size: int, frames: int, seed: int) -> None:
    if subjects < 1:
        raise InputError(f"--subjects must be at least 1, got {subjects}")
    if not MIN_SIZE <= size <= MAX_SIZE or size % 2:
        raise InputError(f"--size must be an even number from {MIN_SIZE} to {MAX_SIZE}, got {size}")
    if frames < MIN_FRAMES:
        raise InputError(f"--frames must be at least {MIN_FRAMES}, got {frames}")
    if not 0 <= seed < 2**32:
        raise InputError(f"--seed must be from 0 to {2**32 - 1}, got {seed}")
