"""`gancmri train-segmenter`: train the cardiac FCN on phantom hearts."""

import pathlib

import click

WIDTHS = "10,20,40,72,96"


class Widths(click.ParamType):
    """Five whole numbers with commas between."""

    name = "widths"

    def convert(self, value, param, ctx) -> tuple[int, ...]:
        """Return them as a tuple."""
        try:
            widths = tuple(int(part) for part in value.split(","))
        except ValueError:
            widths = ()
        if len(widths) != 5 or min(widths) < 1:
            self.fail(f"{value!r} is not five positive whole numbers, such as {WIDTHS}", param, ctx)
        return widths


@click.command("train-segmenter")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path, file_okay=False),
    help="Run folder; to resume, give the same folder again.",
)
@click.option(
    "--widths",
    "filters",
    default=WIDTHS,
    show_default=True,
    type=Widths(),
    help="Channels of the five levels; 16,32,64,128,256 is the published network.",
)
@click.option(
    "--level-width",
    default=16,
    show_default=True,
    type=click.IntRange(1),
    help="Channels of each level after its 1×1 convolution.",
)
@click.option(
    "--head-width",
    default=28,
    show_default=True,
    type=click.IntRange(1),
    help="Channels of the two 1×1 convolutions over all levels.",
)
@click.option(
    "--size",
    default=144,
    show_default=True,
    help="Height and width, in pixels, of the window around the heart.",
)
@click.option(
    "--phases",
    default=2,
    show_default=True,
    type=click.IntRange(1, 12),
    help="Number of frames of the beat, evenly spaced, that the network sees at once.",
)
@click.option(
    "--subjects",
    default=75,
    show_default=True,
    type=click.IntRange(1),
    help="Number of phantom hearts in memory; each step draws from them.",
)
@click.option(
    "--new-subject-steps",
    default=5,
    show_default=True,
    type=click.IntRange(1),
    help="Number of steps after which a new phantom replaces the oldest one.",
)
@click.option(
    "--steps", default=4000, show_default=True, type=click.IntRange(1), help="Training steps."
)
@click.option(
    "--batch-size", default=8, show_default=True, type=click.IntRange(1), help="Images per batch."
)
@click.option(
    "--seed",
    default=4001,
    show_default=True,
    type=click.IntRange(0, 2**31),
    help="Random seed of training; held-out hearts use SEED + 1.",
)
@click.option(
    "--into",
    "name",
    help="Model to combine with the new segmenter in OUT/model.safetensors: demo, a model file or "
    "a run folder.",
)
def command(
    out: pathlib.Path, filters: tuple[int, ...], name: str | None, **options: int | float
) -> None:
    """Train a network that segments the chambers of the heart.

    The segmenter learns from phantom hearts. Prints its scores on held-out phantoms.

    Writes OUT/segmenter.safetensors, metrics.jsonl and pictures. To resume after an interruption,
    run the same command again. Use it with `gancmri segment --model OUT`.
    """
    import dataclasses

    from gancmri_jax.lock import one_run
    from gancmri_jax.model.file import load_model, save_model
    from gancmri_jax.model.segmenter import save_segmenter
    from gancmri_jax.physiology.score import held_back_scores
    from gancmri_jax.segmentation.training import FILE, default_config, train_segmenter

    model = load_model(name) if name else None
    config = default_config()
    config.update(filters=filters, **options)
    with one_run(out, "train-segmenter"):
        segmenter = train_segmenter(config, out)
        scores = held_back_scores(segmenter, config.seed + 1)
        for size, score in scores.items():
            click.echo(f"held back, {size}×{size}: {score}")
        card = segmenter.card | {"held_back": {str(k): s._asdict() for k, s in scores.items()}}
        segmenter = dataclasses.replace(segmenter, card=card)
        save_segmenter(segmenter, out / FILE)
        click.echo(f"wrote {out / FILE}")
        if model is not None:
            save_model(dataclasses.replace(model, segmenter=segmenter), out / "model.safetensors")
            click.echo(f"wrote {out / 'model.safetensors'}")
