"""`gancmri train-encoder`: train a network that guesses an image's w."""

import pathlib

import click


@click.command("train-encoder")
@click.option("--model", "name", default="demo", show_default=True, help="Model file or run.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path, file_okay=False),
    help="Folder of the run; the same folder resumes it.",
)
@click.option(
    "--channel-base",
    default=1024,
    show_default=True,
    type=click.IntRange(1),
    help="Layers at resolution r are CHANNEL_BASE / r wide.",
)
@click.option(
    "--channel-max", default=64, show_default=True, type=click.IntRange(1), help="But no wider."
)
@click.option(
    "--hidden",
    default=128,
    show_default=True,
    type=click.IntRange(1),
    help="Width of the layer before the last.",
)
@click.option("--steps", default=3000, show_default=True, type=click.IntRange(1))
@click.option("--batch-size", default=16, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=6001, show_default=True, type=click.IntRange(0, 2**31))
def command(name: str, out: pathlib.Path, **options: int) -> None:
    """Train an encoder on a model's own images, and score it on images of the next seed.

    OUT holds the model with its encoder (model.safetensors), metrics.jsonl and pictures of what the
    encoder finds; the same command goes on where it broke off. `--model OUT` uses it, and a
    projection can then start from the encoder's guess.
    """
    import dataclasses

    from gancmri_jax.model.file import load_model
    from gancmri_jax.training.encoder import (
        MODEL,
        default_config,
        held_back_scores,
        train_encoder,
    )

    config = default_config()
    config.update(options)
    model = train_encoder(load_model(name), config, out)
    scores = held_back_scores(model, config.seed + 1)
    click.echo(
        f"held back, {scores['images']} images: SSIM {scores['ssim']:.3f}, PSNR "
        f"{scores['psnr_db']:.1f} dB (medians), {scores['w_explained']:.0%} of w explained"
    )
    assert model.encoder is not None
    encoder = dataclasses.replace(model.encoder, card=model.encoder.card | {"held_back": scores})
    dataclasses.replace(model, encoder=encoder).save(out / MODEL)
    click.echo(f"wrote {out / MODEL}")
