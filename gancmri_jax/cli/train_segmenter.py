"""`gancmri train-segmenter`: train the cardiac FCN on phantom hearts, and on a lab's own cines."""

import pathlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:  # they import JAX, which `--help` does not need
    from gancmri_jax.model.segmenter import Segmenter
    from gancmri_jax.segmentation.labelled import LabelledCine, LabelledFrames

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
    "--steps",
    default=4000,
    show_default="4000, or 1000 with --from",
    type=click.IntRange(1),
    help="Training steps.",
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
    "--from",
    "start_name",
    help="Segmenter to fine-tune instead of starting anew: demo, a model file or a run folder of "
    "`gancmri train-segmenter`. The network keeps its sizes.",
)
@click.option(
    "--data",
    type=click.Path(path_type=pathlib.Path),
    help="Folder with cines and masks, as `gancmri segment --truth` reads them, to fine-tune on "
    "beside phantoms; needs --from.",
)
@click.option(
    "--data-share",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of each batch that comes from --data; the rest are phantoms.",
)
@click.option(
    "--held-out",
    default=0.2,
    show_default=True,
    type=click.FloatRange(0, 1, max_open=True),
    help="Share of subjects in --data that are not trained on; their Dice is printed and written "
    "into the card.",
)
@click.option(
    "--into",
    "name",
    help="Model to combine with the new segmenter in OUT/model.safetensors: demo, a model file or "
    "a run folder.",
)
@click.pass_context
def command(
    context: click.Context,
    out: pathlib.Path,
    filters: tuple[int, ...],
    name: str | None,
    start_name: str | None,
    data: pathlib.Path | None,
    data_share: float,
    held_out: float,
    **options: int | float,
) -> None:
    """Train a network that segments the chambers of the heart.

    The segmenter learns from phantom hearts. Prints its scores on held-out phantoms.

    With --from, an existing segmenter is trained further; with --data, on a lab's own cines too.
    Chambers that no mask of a cine has are not learnt from it: atria from M&Ms-2, for example.

    Writes OUT/segmenter.safetensors, metrics.jsonl and pictures. To resume after an interruption,
    run the same command again. Use it with `gancmri segment --model OUT`.
    """
    import dataclasses

    from gancmri_jax.lock import one_run
    from gancmri_jax.model.file import load_model, load_segmenter_of, save_model
    from gancmri_jax.model.segmenter import save_segmenter
    from gancmri_jax.physiology.score import held_back_scores
    from gancmri_jax.segmentation.finetuning import labelled_count, start_from
    from gancmri_jax.segmentation.training import FILE, default_config, train_segmenter

    if data is not None and start_name is None:
        raise click.UsageError("--data needs --from, the segmenter to fine-tune")
    given = [key for key in ("filters", *options) if _is_given(context, key)]
    model = load_model(name) if name else None
    config = default_config()
    config.update(filters=filters, **options)
    start, frames = None, None
    held: list[LabelledCine] = []
    if start_name is not None:
        start = load_segmenter_of(start_name)
        start_from(config, start, start_name, given)
        if data is not None:
            config.data_share = data_share
            labelled_count(config)
            frames, held = _read_data(data, held_out, config.seed, start)
    with one_run(out, "train-segmenter"):
        segmenter = train_segmenter(config, out, start, frames)
        scores = held_back_scores(segmenter, config.seed + 1)
        for size, score in scores.items():
            click.echo(f"held back, {size}×{size}: {score}")
        card = segmenter.card | {"held_back": {str(k): s._asdict() for k, s in scores.items()}}
        if start is not None and held:
            card["held_out"] = _score_held(start, segmenter, held)
        segmenter = dataclasses.replace(segmenter, card=card)
        save_segmenter(segmenter, out / FILE)
        click.echo(f"wrote {out / FILE}")
        if model is not None:
            save_model(dataclasses.replace(model, segmenter=segmenter), out / "model.safetensors")
            click.echo(f"wrote {out / 'model.safetensors'}")


def _is_given(context: click.Context, key: str) -> bool:
    return context.get_parameter_source(key) == click.core.ParameterSource.COMMANDLINE


def _read_data(
    data: pathlib.Path, share: float, seed: int, start: "Segmenter"
) -> tuple["LabelledFrames", list["LabelledCine"]]:
    """Read labelled cines, and return frames to train on and the cines that are held out."""
    from tqdm import tqdm

    from gancmri_jax.segmentation.labelled import gather_frames, hold_out, read_labelled

    cines = read_labelled(
        data,
        lambda refusal: click.echo(str(refusal), err=True),
        lambda subject: click.echo(f"{subject}: has no mask in {data}; not used", err=True),
    )
    train, held = hold_out(cines, share, seed)
    with tqdm(total=len(train), unit=" cines", desc="read") as bar:
        frames = gather_frames(train, start, lambda: bar.update())
    click.echo(
        f"{len(frames.images)} labelled frames of {len(train)} subjects, {len(held)} subjects "
        "held out"
    )
    return frames, held


def _score_held(
    start: "Segmenter", segmenter: "Segmenter", held: Iterable["LabelledCine"]
) -> dict[str, Any]:
    """Print how held-out subjects agree before and after, and return it for the card."""
    from gancmri_jax.cine.masks import STRUCTURES
    from gancmri_jax.physiology.agreement import describe_overlaps
    from gancmri_jax.physiology.truth import held_out_scores

    held = list(held)
    found: dict[str, Any] = {"subjects": len(held)}
    for when, one in (("before", start), ("after", segmenter)):
        scores = held_out_scores(one, held)
        for line in describe_overlaps(scores):
            click.echo(f"held out, {when}: {line}")
        for label, structure in STRUCTURES.items():
            dices = [score[label].dice for score in scores if label in score]
            if dices:
                found.setdefault(structure, {})[f"dice_{when}"] = sum(dices) / len(dices)
    return found
