"""`gancmri guide`: how well amounts along phenotype directions rule what hearts measure."""

import pathlib

import click
from tqdm import tqdm

from gancmri_jax.cli.writing import JSON, STDOUT, Answer
from gancmri_jax.errors import InputError


@click.command("guide")
@click.option(
    "--model",
    "name",
    default="demo",
    show_default=True,
    help="Model: demo, a model file or a run folder.",
)
@click.option(
    "--phenotype",
    "names",
    multiple=True,
    help="Phenotype whose direction is tested, e.g. lv_area; repeat for more.  [default: all that "
    "the segmenter measures]",
)
@click.option(
    "--hearts",
    default=32,
    show_default=True,
    type=click.IntRange(2),
    help="Number of generated hearts.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Random seed of the first heart; the next hearts use SEED + 1, SEED + 2, …",
)
@click.option(
    "--keep-flagged", is_flag=True, help="Measure also hearts whose segmentation is flagged."
)
@JSON
@click.option(
    "--out",
    type=click.Path(path_type=pathlib.Path, file_okay=False),
    help="Output folder for guidance.png and cross-talk.png.",
)
def command(
    name: str,
    names: tuple[str, ...],
    hearts: int,
    seed: int,
    keep_flagged: bool,
    report: pathlib.Path | None,
    out: pathlib.Path | None,
) -> None:
    """Measure how directions change LV area and sphericity.

    Moves each heart by 51 amounts from −2 to 3 along a direction and measures its ED frame. Hearts
    whose segmentation is flagged before they are moved are left out and listed. Prints for each
    phenotype:

    \b
    r       Pearson's r: median over hearts, with 95 % interval and p value
    pooled  Pearson's r over all hearts together
    rise    share of steps that increase the phenotype
    range   lowest and highest measurement
    c = 1   effect of an amount of 1 on each phenotype, in SD over hearts
    """
    from gancmri_jax.model.file import load_model
    from gancmri_jax.physiology.guidance import DIRECTIONS
    from gancmri_jax.physiology.guidance_figure import draw_cross_talk, draw_guidance
    from gancmri_jax.physiology.guidance_report import measure_guidance, summarise

    answer = Answer(report)
    model = load_model(name)
    names = tuple(dict.fromkeys(names))
    asked = len(names) or sum(known in model.directions for known in DIRECTIONS.values())
    try:
        if report not in (None, STDOUT):
            report.parent.mkdir(parents=True, exist_ok=True)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be made: {error.strerror}") from error
    with tqdm(total=asked * hearts, unit=" hearts", desc="guide") as bar:
        guidance = measure_guidance(model, names, hearts, seed, bar.update, keep_flagged)
    if guidance.left_out:
        listed = ", ".join(f"seed {heart} ({text})" for heart, text in guidance.left_out.items())
        answer.say(f"left out, flagged: {len(guidance.left_out)} of {hearts} hearts: {listed}")
    found = summarise(guidance, model)
    for phenotype, said in found.items():
        effects = ", ".join(
            f"{column} {_told(x, '+.2f')}" for column, x in said["cross_talk"].items()
        )
        low, high = (_told(end, ".3f") for end in said["ci95"])
        answer.say(
            f"{phenotype}: r {_told(said['pearson_r'], '.3f')} (95 % {low} to {high}, p "
            f"{_told(said['p_value'], '.1e')}), pooled {_told(said['pearson_r_pooled'], '.3f')}; "
            f"{said['monotonicity']:.0%} of steps rise; {_told(said['lowest'], '.3g')} to "
            f"{_told(said['highest'], '.3g')}; c = 1 moves {effects} SD"
        )
    answer.give(found)
    if out is not None:
        draw_guidance(out / "guidance.png", model, guidance, found)
        draw_cross_talk(out / "cross-talk.png", found)
        answer.say(f"drawn in {out}")


def _told(value: float | None, form: str) -> str:
    return "unknown" if value is None else format(value, form)
