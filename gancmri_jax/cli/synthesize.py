"""`gancmri synthesize`: make videos of beating hearts."""

import math
import pathlib
from typing import Literal

import click
from tqdm import tqdm

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.pictures import UNKNOWN_MM
from gancmri_jax.cli.motions import MOTION
from gancmri_jax.cli.reading import SPACING_MM
from gancmri_jax.cli.writing import DTYPE, NEED_SPACING, format_option, write_formats
from gancmri_jax.errors import InputError

_FORMS = {"amounts": "lv_area=+1.5", "targets": "lv_area_ed_cm2=28"}
_FRAME_MS = 20.0


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
            raise click.BadParameter(
                f"{text!r} is not of the form {_FORMS[option.name]}", param=option
            )
        if name in amounts:
            raise click.BadParameter(f"{name} is given twice", param=option)
        amounts[name] = value
    return amounts


@click.command("synthesize")
@click.option(
    "--model",
    "name",
    default="demo",
    show_default=True,
    help="Model: demo, a model file or a run folder.",
)
@MOTION
@click.option(
    "--videos",
    default=4,
    show_default=True,
    type=click.IntRange(1),
    help="Number of hearts, one video each.",
)
@click.option(
    "--frames",
    default=50,
    show_default=True,
    type=click.IntRange(2),
    help="Frames per heartbeat.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Random seed of the first heart; the next hearts use SEED + 1, SEED + 2, …",
)
@click.option(
    "--truncation",
    default=1.0,
    show_default=True,
    type=click.FloatRange(-2, 2),
    help="Truncation ψ: below 1, hearts are more typical and less varied.",
)
@click.option(
    "--adjust",
    "amounts",
    multiple=True,
    callback=_amounts,
    help="Move hearts along a phenotype direction, e.g. lv_area=+1.5; repeat for more.",
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    callback=_amounts,
    help="Change hearts until they have this value, e.g. lv_area_ed_cm2=28; repeat for several at "
    "once: lv_area_ed_cm2, sphericity_index, lv_fac_percent, heart_rate_bpm, es_phase_percent.",
)
@click.option(
    "--prompt",
    "text",
    help="Hearts in a clinician's words, e.g. 'dilated LV, EF 30 %, 90 bpm' or 'LV 20 % smaller'; "
    "see docs/words.md.",
)
@click.option(
    "--components",
    type=click.IntRange(1),
    help="Principal components that --motion pca_residual removes.  [default: 32, as in the paper]",
)
@click.option(
    "--noise",
    type=click.Choice(["auto", "constant", "beat", "blood"]),
    default="auto",
    show_default=True,
    help="Noise of the frames of a beat. constant: the same in all. beat: moves smoothly and "
    "closes with the beat. blood: moves in the blood, as the model's segmenter finds it, and is "
    "constant elsewhere. auto: what the model's card says, otherwise constant.",
)
@click.option(
    "--frame-ms",
    type=click.FloatRange(1),
    help="Duration of a frame in ms.  [default: by the heart rate that is asked for, otherwise as "
    "in the model's training data, otherwise 20]",
)
@format_option(("mp4", "gif", "png"), "mp4, gif, png")
@click.option(
    "--spacing-mm",
    nargs=2,
    type=SPACING_MM,
    metavar="ROWS COLUMNS",
    help="Pixel spacing in mm, for nifti and dicom.  [default: as in the model's training data]",
)
@click.option(
    "--out",
    default=pathlib.Path("videos"),
    show_default=True,
    type=click.Path(path_type=pathlib.Path, file_okay=False),
    help="Output folder.",
)
@DTYPE
def command(
    name: str,
    dtype: str,
    method: str,
    videos: int,
    frames: int,
    seed: int,
    truncation: float,
    amounts: dict[str, float],
    targets: dict[str, float],
    text: str | None,
    components: int | None,
    noise: Literal["auto", "constant", "beat", "blood"],
    frame_ms: float | None,
    formats: tuple[str, ...],
    spacing_mm: tuple[float, float] | None,
    out: pathlib.Path,
) -> None:
    """Generate videos of beating hearts.

    The same seed always gives the same heart. Files are marked as synthetic. With a model of
    `gancmri personalise`, --motion own replays the patient's heart, whatever --seed and --videos.
    """
    import numpy as np

    from gancmri_jax.latents.motions import MOTIONS, OWN
    from gancmri_jax.latents.pca import PAPER_COMPONENTS
    from gancmri_jax.model.file import load_model
    from gancmri_jax.model.motion import Motion
    from gancmri_jax.physiology.guidance import Unreachable, insist_reachable, solve, solve_prompt
    from gancmri_jax.physiology.prompt import read_prompt
    from gancmri_jax.segmentation.beat import beat_pixels, video_noise

    if text is not None and targets:
        raise click.UsageError("--prompt and --target ask for the same; give one of them")
    prompt = None if text is None else read_prompt(text)
    if prompt is not None:
        click.echo(f"understood: {prompt}")
        if follows := prompt.follows():
            click.echo(f"follows: {follows}")
        insist_reachable(prompt)
    motion = Motion(method, frames, components or PAPER_COMPONENTS)
    takes = [name for name, row in MOTIONS.items() if "components" in row.options]
    if components is not None and method not in takes:
        raise click.UsageError(f"--components needs --motion {' or '.join(takes)}")
    model = load_model(name, dtype)  # type: ignore[arg-type]
    moves = video_noise(model, noise)
    if moves == "blood" and model.segmenter is None:
        raise InputError(f"--noise blood: {name} has no segmenter to find it; take beat")
    spacing_mm = spacing_mm or model.spacing_mm
    if spacing_mm is None and (wanted := [f for f in formats if f in NEED_SPACING]):
        raise click.UsageError(
            f"--format {' and '.join(wanted)}: the pixel spacing of this model is unknown; give "
            "--spacing-mm ROWS COLUMNS"
        )
    personal = method == OWN
    if personal:
        model = model.of_own_heart
    paths, refused = {}, {}
    for heart in [seed] if personal else range(seed, seed + videos):
        start = model.motion.own_start if personal else model.at_ed(model.sample(heart, truncation))
        start = model.adjust(start, amounts)
        own = motion
        if targets or prompt:
            try:
                if prompt is None:
                    solution = solve(model, start, targets, motion)
                else:
                    solution = solve_prompt(model, start, prompt, motion)
            except Unreachable as error:
                refused[heart] = error
                continue
            click.echo(f"heart {heart}: {solution}")
            start, own = solution.ws, solution.motion
        if frame_ms and own.frame_ms:
            raise click.UsageError("--frame-ms and a heart rate contradict each other; give one")
        duration_ms = frame_ms or own.frame_ms or model.frame_ms or _FRAME_MS
        paths[heart] = model.beat(start, own), duration_ms
    if not paths:
        others = f"; nor can the other {videos - 1}" if videos > 1 and not personal else ""
        raise InputError(f"heart {seed}: {refused[seed]}{others}")
    for heart, reason in refused.items():
        click.echo(f"heart {heart} is left out: {reason}", err=True)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be made: {error}") from error
    for heart, (path, duration_ms) in tqdm(paths.items(), unit=" videos", desc="synthesize"):
        subject = "heart" if personal else f"heart-{heart:04d}"
        pixels = beat_pixels(model, path, moves, heart)
        cine = Cine(pixels, spacing_mm or UNKNOWN_MM, duration_ms, subject)
        note = "" if moves == "constant" else f"noise: {moves}"
        generated = np.ones(len(pixels), bool) if personal else None  # derived from a patient's
        write_formats(out / f"{subject}-{method}", cine, formats, generated, note)
    written = ", ".join(dict.fromkeys(formats))
    click.echo(f"{len(paths)} hearts of {frames} frames in {out}: {written}")
