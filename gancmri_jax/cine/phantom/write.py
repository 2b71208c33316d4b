"""A study of phantoms, as the files a scanner's study would give."""

import pathlib
from collections.abc import Iterable

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.phantom.population import Population
from gancmri_jax.cine.phantom.render import phantom
from gancmri_jax.cine.phenotypes import write_phenotypes


def write_phantoms(
    out: pathlib.Path,
    indices: Iterable[int],
    size: int,
    frames: int,
    seed: int,
    population: Population = "normal",
) -> None:
    """Write phantom hearts, each in a folder of its own, and last of all `phenotypes.csv`.

    Args:
        out: Folder of the study.
        indices: Which subjects, a number each.
        size: Height and width in pixels.
        frames: Of a beat.
        seed: Of the subjects; subject k of a seed is one and the same.
        population: What hearts, and how they are seen.
    """
    phenotypes: dict[str, dict[str, float | str]] = {}
    for index in indices:
        rendered = phantom(seed, index, size, frames, population)
        cine = rendered.cine
        folder = out / cine.subject
        folder.mkdir(parents=True, exist_ok=True)
        for name, pixels in (("la_4ch", cine.pixels), ("la_4ch_mask", rendered.masks)):
            assert cine.frame_ms is not None
            write_nifti(folder / f"{name}.nii.gz", pixels, cine.spacing_mm, cine.frame_ms)
        phenotypes[cine.subject] = {**rendered.phenotypes, **rendered.traits}
    with atomic_write(out / "phenotypes.csv") as part:
        write_phenotypes(part, phenotypes)
