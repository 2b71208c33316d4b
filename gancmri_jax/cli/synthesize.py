"""`gancmri synthesize`: make videos of beating hearts."""

import math
import pathlib

import click
from tqdm import tqdm


def _amounts(_: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> dict[str, float]:
    """Read `name=amount` options."""
    amounts = {}
    for text in texts:
        name, equals, amount = text.partition("=")
        try:
            value = float(amount)
        except ValueError:
            value = math.nan
        if not (name and equals and math.isfinite(value)):
            raise click.BadParameter(f"{text!r} is not of the form lv_area=+1.5", param=option)
        if name in amounts:
            raise click.BadParameter(f"{name} stands twice", param=option)
        amounts[name] = value
    return amounts


@click.command("synthesize")
@click.option("--model", "name", default="demo", show_default=True, help="demo, model file or run.")
@click.option(
    "--method",
    type=click.Choice(["frame-to-frame", "ed-to-es"]),
    default="frame-to-frame",
    show_default=True,
)
@click.option("--videos", default=4, show_default=True, type=click.IntRange(1))
@click.option("--frames", default=50, show_default=True, type=click.IntRange(2), help="Of a beat.")
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Of the first heart.",
)
@click.option(
    "--truncation",
    default=1.0,
    show_default=True,
    type=click.FloatRange(-2, 2),
    help="Below 1, hearts are more typical and less varied.",
)
@click.option(
    "--adjust",
    "amounts",
    multiple=True,
    callback=_amounts,
    help="Move along a phenotype direction first, e.g. lv_area=+1.5; repeat for more.",
)
@click.option(
    "--steps",
    type=click.Choice(["mean", "pca_residual"]),
    default="mean",
    show_default=True,
    help="Frame-to-frame steps: means over subjects, or these cleaned as in the paper.",
)
@click.option(
    "--components",
    type=click.IntRange(1),
    help="Principal components that pca_residual takes away; 32, as the paper, by default.",
)
@click.option(
    "--frame-ms", default=20.0, show_default=True, type=click.FloatRange(1), help="Time of a frame."
)
@click.option(
    "--out",
    default=pathlib.Path("videos"),
    show_default=True,
    type=click.Path(path_type=pathlib.Path, file_okay=False),
)
def command(
    name: str,
    method: str,
    videos: int,
    frames: int,
    seed: int,
    truncation: float,
    amounts: dict[str, float],
    steps: str,
    components: int | None,
    frame_ms: float,
    out: pathlib.Path,
) -> None:
    """Write each heart as MP4, GIF and contact sheet; heart K is the same in every request."""
    from gancmri_jax.cine.video_file import write_contact_sheet, write_gif, write_mp4
    from gancmri_jax.errors import InputError
    from gancmri_jax.latents.pca import PAPER_COMPONENTS
    from gancmri_jax.model.file import load_model
    from gancmri_jax.model.motion import Motion
    from gancmri_jax.video.render import render_uint8

    if steps == "pca_residual" and method != "frame-to-frame":
        raise click.UsageError("--steps is for --method frame-to-frame")
    if components is not None and steps != "pca_residual":
        raise click.UsageError("--components is for --steps pca_residual")
    model = load_model(name)
    motion = Motion(method, frames, steps, components or PAPER_COMPONENTS)  # type: ignore[arg-type]
    paths = {}
    for heart in range(seed, seed + videos):
        ws = model.adjust(model.sample(heart, truncation), amounts)
        paths[heart] = model.beat(ws, motion)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be made: {error}") from error
    for heart, path in tqdm(paths.items(), unit=" videos", desc="synthesize"):
        pixels = render_uint8(model, path)
        stem = out / f"heart-{heart:04d}-{method}"
        write_mp4(stem.with_suffix(".mp4"), pixels, frame_ms)
        write_gif(stem.with_suffix(".gif"), pixels, frame_ms)
        write_contact_sheet(stem.with_suffix(".png"), pixels)
    click.echo(f"{videos} hearts of {frames} frames in {out}: .mp4, .gif and .png each")
