"""`gancmri evaluate`: how good generated hearts are, in numbers that others can repeat."""

import pathlib
import sys

import click
from tqdm import tqdm

from gancmri_jax.cli.comparing import compares_sets, progress, tell
from gancmri_jax.cli.motions import motion_names
from gancmri_jax.cli.writing import JSON, STDOUT, Answer
from gancmri_jax.errors import InputError
from gancmri_jax.metrics.names import example, parse_metric
from gancmri_jax.metrics.table import METRICS


class _ListsMetrics(click.Command):
    """Show the table of metrics at the end of the help."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Metrics"):
            formatter.write_dl([(example(base), metric.what) for base, metric in METRICS.items()])


@click.command("evaluate", cls=_ListsMetrics)
@click.option("--real", help="Reference set: training records, cines, a latent store or a model.")
@click.option(
    "--fake", help="Set to compare with --real: training records, cines, a latent store or a model."
)
@click.option("--metrics", help="Metrics, separated by commas, e.g. fid50k_full,kid2000.")
@compares_sets
@click.option(
    "--segmenter",
    default="demo",
    show_default=True,
    help="Segmenter for fcn_fd: demo, a model file that contains one, or a run folder of `gancmri "
    "train-segmenter`.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Random seed of the samples.",
)
@click.option(
    "--ddof",
    default=1,
    show_default=True,
    type=click.IntRange(0, 1),
    help="Divide covariances of n samples by n − DDOF.",
)
@click.option(
    "--bootstrap",
    default=20,
    show_default=True,
    type=click.IntRange(0),
    help="Bootstrap resamples for the interval of a Fréchet distance; 0 turns the interval off.",
)
@click.option(
    "--keep-flagged",
    is_flag=True,
    help="Include subjects whose segmentation is flagged in phenotypes.csv when pearson compares "
    "two of them.",
)
@click.option("--no-cache", is_flag=True, help="Do not cache the features of the real set.")
@click.option(
    "--table",
    multiple=True,
    metavar="NAME=SET",
    help="Add a set to a table of FVD between all pairs of sets, as in Table 1 of the paper; "
    "repeat for more. NAME=MODEL:ed-to-es chooses the motion of a model's videos.",
)
@click.option(
    "--compare",
    nargs=2,
    type=click.Path(path_type=pathlib.Path, exists=True, dir_okay=False),
    help="Compare two files with the output of --json; an error if they were measured differently.",
)
@JSON
def command(
    real: str | None,
    fake: str | None,
    metrics: str | None,
    segmenter: str,
    seed: int,
    ddof: int,
    bootstrap: int,
    keep_flagged: bool,
    no_cache: bool,
    table: tuple[str, ...],
    compare: tuple[pathlib.Path, pathlib.Path] | None,
    report: pathlib.Path | None,
    method: str,
    **opening,
) -> None:
    """Measure FID, FVD and other metrics between two sets.

    Give --real, --fake and --metrics; or --table; or --compare. The output of --json has
    everything needed to repeat a measurement.

    A number in the name of a frame metric is the sample size: fid2000 draws 2,000 frames from each
    set, fid50k_full compares 50,000 with all real frames. fvd16_equispaced and fvd16_consecutive
    take a clip of 16 frames from each of up to 2,048 videos. pearson compares two phenotypes.csv
    without subjects flagged in either; use it alone.
    """
    if bootstrap == 1:
        raise click.UsageError("--bootstrap must be 0, or at least 2")
    sets = [bool(given) for given in (real, fake, metrics)]
    if any(sets) + bool(table) + (compare is not None) != 1 or any(sets) != all(sets):
        raise click.UsageError("give --real, --fake and --metrics, or --table, or --compare")
    answer = Answer(report)
    if compare is not None:
        from gancmri_jax.metrics.card import compare as compare_cards

        differences = compare_cards(*compare)
        for difference in differences:
            answer.say(difference)
        answer.give({"differences": [difference._asdict() for difference in differences]})
        return

    if metrics:
        for name in metrics.split(","):
            parse_metric(name.strip())  # rather now than after JAX is imported

    from gancmri_jax.metrics.card import Card, write_cards
    from gancmri_jax.metrics.compare import evaluate
    from gancmri_jax.metrics.protocol import Protocol
    from gancmri_jax.model.motion import Motion

    protocol = Protocol(seed, ddof, bootstrap, keep_features=not no_cache)
    if table:
        _print_table(table, protocol, method, opening, answer)
        return
    assert real and fake and metrics
    cards: list[Card] = []

    def on_card(card: Card) -> None:
        answer.say(card)
        for warning in card.warnings:
            tqdm.write(f"  note: {warning}", file=sys.stderr)
        cards.append(card)
        if report not in (None, STDOUT):  # what is measured stays, whatever befalls the others
            write_cards(report, cards)

    evaluate(
        real,
        fake,
        metrics,
        motion=Motion(method),
        segmenter=segmenter,
        protocol=protocol,
        keep_flagged=keep_flagged,
        on_start=progress(),
        on_card=on_card,
        on_refusal=tell,
        **opening,
    )
    if cards[0].metric.startswith("pearson") and cards[0].details:
        answer.say(f"{cards[0].details}; --keep-flagged includes them")
    if report == STDOUT:
        answer.give({"cards": [card.as_json() for card in cards]})


def _print_table(table, protocol, method, opening, answer) -> None:
    from gancmri_jax.metrics.fvd_table import fvd_table
    from gancmri_jax.metrics.opening import open_set
    from gancmri_jax.model.motion import Motion

    sets = {}
    for text in table:
        name, equals, where = text.partition("=")
        if not (name and equals and where) or name in sets:
            raise click.UsageError(
                f"--table {text} is not of the form NAME=SET, or NAME is used twice"
            )
        path, colon, how = where.rpartition(":")
        if colon and how in motion_names():
            where, motion = path, Motion(how)
        else:
            motion = Motion(method)
        sets[name] = open_set(where, motion=motion, on_refusal=tell, **opening)
    if len(sets) < 2:
        raise click.UsageError("--table needs at least two sets; repeat --table for each")
    sizes = {source.size for source in sets.values()}
    if len(sizes) > 1:
        raise InputError(
            f"the sets have different frame sizes, {sorted(sizes)}; prepare all at the same size"
        )
    distances, clips = fvd_table(sets, parse_metric("fvd16_equispaced"), protocol, progress())
    answer.say(f"FVD, 16 equally spaced frames, {clips} clips of each set:")
    for (row, column), value in distances.items():
        answer.say(f"  {row} – {column}: {value:.2f}")
    rows = [{"sets": pair, "fvd16_equispaced": v} for pair, v in distances.items()]
    answer.give({"clips": clips, "table": rows})
