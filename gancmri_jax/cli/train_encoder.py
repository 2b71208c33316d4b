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
    "--data",
    type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False),
    help="Records, whose train split it learns from too; without, from generated images alone.",
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
def command(name: str, out: pathlib.Path, data: pathlib.Path | None, **options: int) -> None:
    """Train an encoder on a model's own images, and score it on others.

    OUT holds the model with its encoder (model.safetensors), metrics.jsonl and pictures of what the
    encoder finds; the same command goes on where it broke off. `gancmri project --model OUT` begins
    at its guess. Scores are of images of the next seed, and of the records' test split.
    """
    import dataclasses

    from gancmri_jax.cine.records import record_splits
    from gancmri_jax.errors import InputError
    from gancmri_jax.metrics.similarity import WINDOW
    from gancmri_jax.model.file import load_model, save_model
    from gancmri_jax.training.encoder import (
        MODEL,
        default_config,
        generated_frames,
        score,
        train_encoder,
    )
    from gancmri_jax.training.encoder_data import read_frames

    model = load_model(name)
    if model.resolution < WINDOW:
        raise InputError(
            f"{name}: its images of {model.resolution}² are too small to score an encoder by SSIM, "
            f"which looks at {WINDOW}² pixels at once; train one for a larger model"
        )
    config = default_config()
    config.update(options)
    frames = None if data is None else read_frames(data, "train", model.resolution)
    model = train_encoder(model, config, out, frames)
    sets = {"generated": generated_frames(model, config.seed + 1)}
    if data is not None and "test" in record_splits(data):
        sets["test split"] = read_frames(data, "test", model.resolution, 512)
    scores = {name: score(model, held_back) for name, held_back in sets.items()}
    for name, found in scores.items():
        click.echo(
            f"held back, {found['frames']} frames, {name}: SSIM {found['ssim']:.3f}, PSNR "
            f"{found['psnr_db']:.1f} dB (medians)"
        )
    assert model.encoder is not None
    card = model.encoder.card | {"held_back": scores}
    encoder = dataclasses.replace(model.encoder, card=card)
    save_model(dataclasses.replace(model, encoder=encoder), out / MODEL)
    click.echo(f"wrote {out / MODEL}")
