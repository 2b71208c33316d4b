"""`gancmri images`: pictures of single frames, and of how latent space lies between them."""

import pathlib
import re

import click
from click.core import ParameterSource
from tqdm import tqdm

from gancmri_jax.cli.writing import DTYPE
from gancmri_jax.errors import InputError

_PSIS = (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
_MOST_SEED = 2**32 - 1


def _seeds(_: click.Context, option: click.Parameter, text: str) -> list[int]:
    """Read `0-99` or `1,5,7-9`."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= _MOST_SEED:
            raise click.BadParameter(
                f"{part!r} is not a seed such as 7 or a range such as 0-99", param=option
            )
        seeds += range(first, last + 1)
    return seeds


@click.command("images")
@click.option(
    "--model",
    "name",
    default="demo",
    show_default=True,
    help="Model: demo, a model file or a run folder.",
)
@click.option(
    "--kind",
    type=click.Choice(["seeds", "truncation", "mix", "interpolation"]),
    default="seeds",
    show_default=True,
    help="seeds: one frame per seed. truncation: each seed at eight values of ψ. mix: coarse "
    "styles of the first half of the seeds with fine styles of the second half. interpolation: a "
    "video through all seeds.",
)
@click.option(
    "--seeds",
    default="0-15",
    show_default=True,
    callback=_seeds,
    help="Random seeds, e.g. 0-15 or 1,5,7-9.",
)
@click.option(
    "--truncation",
    default=1.0,
    show_default=True,
    type=click.FloatRange(-2, 2),
    help="Truncation ψ: below 1, hearts are more typical and less varied.",
)
@click.option(
    "--cutoff",
    type=click.IntRange(1),
    help="With --kind mix, number of layers that take the coarse style.  [default: half of them]",
)
@click.option(
    "--frames",
    default=25,
    show_default=True,
    type=click.IntRange(1),
    help="With --kind interpolation, frames from one seed to the next.",
)
@click.option(
    "--out",
    default=pathlib.Path("images"),
    show_default=True,
    type=click.Path(path_type=pathlib.Path, file_okay=False),
    help="Output folder.",
)
@DTYPE
def command(
    name: str,
    dtype: str,
    kind: str,
    seeds: list[int],
    truncation: float,
    cutoff: int | None,
    frames: int,
    out: pathlib.Path,
) -> None:
    """Generate single frames, or a video that blends between hearts.

    The same seed always gives the same heart. Files are marked as synthetic.
    """
    import numpy as np

    from gancmri_jax.cine.cine import Cine
    from gancmri_jax.cine.origin import describe
    from gancmri_jax.cine.pictures import UNKNOWN_MM
    from gancmri_jax.cine.video_file import tile, write_png
    from gancmri_jax.cine.write import write_cine
    from gancmri_jax.model.file import load_model
    from gancmri_jax.video.images import interpolation, seed_ws, style_mix, truncation_sweep
    from gancmri_jax.video.render import render_uint8

    if kind in ("mix", "interpolation") and len(seeds) < 2:
        raise click.UsageError(f"--kind {kind} needs at least two seeds")
    given = click.get_current_context().get_parameter_source
    idle = {"cutoff": kind != "mix", "frames": kind != "interpolation"}
    for option, is_idle in (idle | {"truncation": kind == "truncation"}).items():
        if is_idle and given(option) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{option} has no effect with --kind {kind}; remove it")
    model = load_model(name, dtype)  # type: ignore[arg-type]
    if cutoff is not None and cutoff >= model.num_ws:
        raise click.UsageError(
            f"--cutoff must be below {model.num_ws}, the model's number of layers"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be made: {error}") from error
    said = describe(None)

    if kind == "seeds":
        pixels = render_uint8(model, seed_ws(model, seeds, truncation))
        for seed, picture in zip(tqdm(seeds, unit=" images", desc="write"), pixels, strict=True):
            write_png(out / f"seed-{seed:04d}.png", picture, said)
        path = out / "seeds.png"
        write_png(path, tile(pixels, columns=int(np.ceil(len(seeds) ** 0.5))), said)
    elif kind == "truncation":
        ws = truncation_sweep(model, seeds, _PSIS)
        pixels = render_uint8(model, ws.reshape(-1, *ws.shape[2:]))
        path = out / "truncation.png"
        write_png(path, tile(pixels, columns=len(_PSIS)), said)
    elif kind == "mix":
        half = len(seeds) // 2
        coarse, fine = seeds[:half], seeds[half:]
        ws = style_mix(model, coarse, fine, cutoff or model.num_ws // 2, truncation)
        mixed = render_uint8(model, ws.reshape(-1, *ws.shape[2:]))
        pure = render_uint8(model, seed_ws(model, [*fine, *coarse], truncation))
        # Beside a black corner the fine ones' own pictures, and each row begins with its coarse.
        rows = [np.zeros_like(pure[:1]), pure[: len(fine)]]
        for row in range(half):
            rows += [pure[len(fine) + row][None], mixed[row * len(fine) : (row + 1) * len(fine)]]
        path = out / "mix.png"
        write_png(path, tile(np.concatenate(rows), columns=1 + len(fine)), said)
    else:
        codes = interpolation(seed_ws(model, seeds, truncation), frames)
        film = Cine(render_uint8(model, codes), UNKNOWN_MM, 40.0, "interpolation")
        path = out / "interpolation.mp4"
        write_cine(path, film)
        write_cine(path.with_suffix(".gif"), film)
    click.echo(f"{len(seeds)} seeds in {path}")
