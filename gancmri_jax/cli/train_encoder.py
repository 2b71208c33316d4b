"""`gancmri train-encoder`: train a network that guesses an image's w."""

import pathlib

import click

from gancmri_jax.cli.writing import JSON, Answer


@click.command("train-encoder")
@click.option(
    "--model",
    "name",
    default="demo",
    show_default=True,
    help="Model: demo, a model file or a run folder.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path, file_okay=False),
    help="Run folder; to resume, give the same folder again.",
)
@click.option(
    "--data",
    type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False),
    help="Training records; the encoder also learns from their train split.",
)
@click.option(
    "--channel-base",
    default=1024,
    show_default=True,
    type=click.IntRange(1),
    help="Network width: layers at resolution r have CHANNEL_BASE / r channels, up to CHANNEL_MAX.",
)
@click.option(
    "--channel-max",
    default=64,
    show_default=True,
    type=click.IntRange(1),
    help="Largest number of channels of a layer.",
)
@click.option(
    "--hidden",
    default=128,
    show_default=True,
    type=click.IntRange(1),
    help="Width of the last hidden layer.",
)
@click.option(
    "--steps", default=3000, show_default=True, type=click.IntRange(1), help="Training steps."
)
@click.option(
    "--batch-size", default=16, show_default=True, type=click.IntRange(1), help="Images per batch."
)
@click.option(
    "--seed",
    default=6001,
    show_default=True,
    type=click.IntRange(0, 2**31),
    help="Random seed of training; held-out images use SEED + 1.",
)
@JSON
def command(
    name: str,
    out: pathlib.Path,
    data: pathlib.Path | None,
    report: pathlib.Path | None,
    **options: int,
) -> None:
    """Train a network that predicts the latent code of an image.

    The encoder learns from images that the model generates, and gives projection a better start.
    Prints its scores on held-out generated images and on the test split of --data.

    Writes OUT/model.safetensors, the model with its encoder, metrics.jsonl and pictures. To resume
    after an interruption, run the same command again. Use it with `gancmri project --model OUT`.
    """
    import dataclasses

    from gancmri_jax.cine.records import record_splits
    from gancmri_jax.errors import InputError
    from gancmri_jax.lock import one_run
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

    answer = Answer(report)
    model = load_model(name)
    if model.resolution < WINDOW:
        raise InputError(
            f"{name}: images of {model.resolution}×{model.resolution} pixels are too small for "
            f"SSIM, which needs {WINDOW}×{WINDOW}; choose a larger model"
        )
    config = default_config()
    config.update(options)
    frames = None if data is None else read_frames(data, "train", model.resolution)
    with one_run(out, "train-encoder"):
        model = train_encoder(model, config, out, frames)
        sets = {"generated": generated_frames(model, config.seed + 1)}
        if data is not None and "test" in record_splits(data):
            sets["test split"] = read_frames(data, "test", model.resolution, 512)
        scores = {name: score(model, held_back) for name, held_back in sets.items()}
        for name, found in scores.items():
            answer.say(
                f"held back, {found['frames']} frames, {name}: SSIM {found['ssim']:.3f}, PSNR "
                f"{found['psnr_db']:.1f} dB (medians)"
            )
        assert model.encoder is not None
        card = model.encoder.card | {"held_back": scores}
        encoder = dataclasses.replace(model.encoder, card=card)
        save_model(dataclasses.replace(model, encoder=encoder), out / MODEL)
    answer.say(f"wrote {out / MODEL}")
    answer.give({"model": str(out / MODEL), "held_back": scores})
