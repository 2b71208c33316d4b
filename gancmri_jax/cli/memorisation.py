"""`gancmri memorisation`: does a model copy the hearts it was trained on?"""

import pathlib

import click

from gancmri_jax.cli.comparing import progress
from gancmri_jax.cli.writing import JSON, Answer


@click.command("memorisation")
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False),
    help="Training records of the model; their test split serves as held-out frames.",
)
@click.option(
    "--fake", required=True, help="Generated frames: a model, training records or a latent store."
)
@click.option(
    "--space",
    "spaces",
    multiple=True,
    type=click.Choice(["pixel", "lpips", "segmenter"]),
    default=("pixel", "segmenter"),
    help="Space in which distances are measured; repeat for more.  [default: pixel, segmenter]",
)
@click.option(
    "--segmenter",
    default="demo",
    show_default=True,
    help="Segmenter for --space segmenter: demo, a model file that contains one, or a run folder "
    "of `gancmri train-segmenter`.",
)
@click.option(
    "--frames",
    default=2000,
    show_default=True,
    type=click.IntRange(100),
    help="Largest number of generated frames, and of held-out frames, to compare.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Random seed of the samples.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path, file_okay=False),
    help="Output folder.",
)
@JSON
def command(
    data: pathlib.Path,
    fake: str,
    spaces: tuple[str, ...],
    segmenter: str,
    frames: int,
    seed: int,
    out: pathlib.Path,
    report: pathlib.Path | None,
) -> None:
    """Test whether a model copies the hearts it was trained on.

    Measures the distance from each generated frame to the nearest training frame, and the same for
    real held-out frames. A model that copies is much closer to the training frames.

    Writes OUT/memorisation.json and pictures of the closest pairs, generated frames above training
    frames: protect them like the data.
    """
    from gancmri_jax.metrics.audit import audit_model

    results = audit_model(
        data,
        fake,
        out,
        spaces=spaces,
        segmenter=segmenter,
        frames=frames,
        seed=seed,
        on_start=progress(),
    )
    answer = Answer(report)
    for result in results:
        answer.say(result)
    answer.give({"spaces": [result.as_json() for result in results]})
