"""`gancmri evaluate`: how good generated hearts are, in numbers that others can repeat."""

import pathlib
import sys

import click
from tqdm import tqdm

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cli.comparing import compares_sets, open_set, progress
from gancmri_jax.errors import InputError


@click.command("evaluate")
@click.option("--real", help="Records, cines, a latent store or a model.")
@click.option("--fake", help="The same.")
@click.option("--metrics", help="Names with commas between, as fid50k_full,kid2000.")
@compares_sets
@click.option(
    "--segmenter",
    default="demo",
    show_default=True,
    help="Model or run whose segmenter fcn_fd looks through.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**32 - 1))
@click.option("--ddof", default=1, show_default=True, type=click.IntRange(0, 1))
@click.option(
    "--bootstrap",
    default=20,
    show_default=True,
    type=click.IntRange(0),
    help="Resamples behind the interval of a Fréchet distance; 0 for none.",
)
@click.option("--no-cache", is_flag=True, help="Keep no features of the real set.")
@click.option(
    "--table",
    multiple=True,
    metavar="NAME=SET",
    help="FVD between each two sets, as in the paper's Table 1; repeat. NAME=MODEL:ed-to-es says "
    "how a model's videos move.",
)
@click.option(
    "--compare",
    nargs=2,
    type=click.Path(path_type=pathlib.Path, exists=True, dir_okay=False),
    help="Two files that --json wrote; refused where they were not measured alike.",
)
@click.option("--json", "report", type=click.Path(path_type=pathlib.Path, dir_okay=False))
def command(
    real: str | None,
    fake: str | None,
    metrics: str | None,
    segmenter: str,
    seed: int,
    ddof: int,
    bootstrap: int,
    no_cache: bool,
    table: tuple[str, ...],
    compare: tuple[pathlib.Path, pathlib.Path] | None,
    report: pathlib.Path | None,
    method: str,
    **opening,
) -> None:
    """Measure metrics between two sets; each number comes with what is needed to repeat it.

    fid, kid, precision, recall (Inception), fcn_fd (a segmenter), cfid (ukbb_cardiac's published
    network alone) take a number of frames: fid50k draws 50,000 of each set, fid50k_full all real
    ones. fvd16_consecutive and fvd16_equispaced take clips of up to 2,048 videos. ssim, psnr and
    lpips compare video by video; roughness, closure and excursion are of moving; ppl_wend and
    ppl_wfull of a model. pearson, alone, correlates the columns of two phenotypes.csv.
    """
    if bootstrap == 1:
        raise click.UsageError(
            "--bootstrap takes no spread from one resample; give 0, or 2 and above"
        )
    sets = [bool(given) for given in (real, fake, metrics)]
    if any(sets) + bool(table) + (compare is not None) != 1 or any(sets) != all(sets):
        raise click.UsageError("give --real, --fake and --metrics, or --table, or --compare")
    if compare is not None:
        from gancmri_jax.metrics.card import compare as compare_cards

        for line in compare_cards(*compare):
            click.echo(line)
        return

    from gancmri_jax.metrics.card import write_cards
    from gancmri_jax.metrics.correlation import correlate_tables
    from gancmri_jax.metrics.evaluate import Evaluation
    from gancmri_jax.metrics.features import Protocol
    from gancmri_jax.metrics.names import parse_metric
    from gancmri_jax.model.file import load_segmenter_of
    from gancmri_jax.model.motion import Motion

    protocol = Protocol(seed, ddof, bootstrap, keep_features=not no_cache)
    if table:
        _print_table(table, protocol, method, opening, report)
        return
    assert real and fake and metrics
    if metrics.strip() == "pearson":
        cards = correlate_tables(pathlib.Path(real), pathlib.Path(fake))
        click.echo("\n".join(map(str, cards)))
        if report is not None:
            write_cards(report, cards)
        return
    asked = [parse_metric(name.strip()) for name in metrics.split(",")]
    if any(metric.base == "fcn_fd" for metric in asked):
        owner = load_segmenter_of(segmenter), segmenter
        protocol = Protocol(seed, ddof, bootstrap, owner, not no_cache)
    motion = Motion(method)
    evaluation = Evaluation(
        open_set(real, motion=motion, **opening),
        open_set(fake, motion=motion, **opening),
        protocol,
        progress(),
    )
    cards = []
    for metric in asked:
        card = evaluation.measure(metric)
        tqdm.write(str(card))
        for warning in card.warnings:
            tqdm.write(f"  note: {warning}", file=sys.stderr)
        cards.append(card)
        if report is not None:
            write_cards(report, cards)


def _print_table(table, protocol, method, opening, report) -> None:
    import json

    from gancmri_jax.metrics.fvd_table import fvd_table
    from gancmri_jax.metrics.names import parse_metric
    from gancmri_jax.model.motion import Motion

    sets = {}
    for text in table:
        name, equals, where = text.partition("=")
        if not (name and equals and where) or name in sets:
            raise click.UsageError(f"--table {text} is not of the form NAME=SET, each NAME once")
        path, colon, how = where.rpartition(":")
        if colon and how in ("frame-to-frame", "ed-to-es"):
            where, motion = path, Motion(how)
        else:
            motion = Motion(method)
        sets[name] = open_set(where, motion=motion, **opening)
    if len(sets) < 2:
        raise click.UsageError("--table needs two sets at least")
    sizes = {source.size for source in sets.values()}
    if len(sizes) > 1:
        raise InputError(f"the sets have frames of {sorted(sizes)}; prepare all at one size")
    distances, clips = fvd_table(sets, parse_metric("fvd16_equispaced"), protocol, progress())
    click.echo(f"FVD, 16 equally spaced frames, {clips} clips of each set:")
    for (row, column), value in distances.items():
        click.echo(f"  {row} – {column}: {value:.2f}")
    if report is not None:
        rows = [{"sets": pair, "fvd16_equispaced": v} for pair, v in distances.items()]
        with atomic_write(report) as part:
            part.write_text(json.dumps({"clips": clips, "table": rows}, indent=2) + "\n")
