"""`gancmri prepare`: read cines and write training records, or search files for identifiers."""

import pathlib
import sys

import click
from tqdm import tqdm

from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cine.prepare import Options, prepare
from gancmri_jax.cine.read import insist
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.split import FEWEST_SUBJECTS, SPLITS
from gancmri_jax.cli.reading import SCHEDULER, Extras, reads_cines
from gancmri_jax.cli.writing import JSON, Answer, advance


@click.command("prepare")
@reads_cines
@click.option(
    "--out",
    type=click.Path(path_type=pathlib.Path),
    help="Output folder; required without --audit.",
)
@click.option(
    "--audit",
    "audited",
    type=click.Path(path_type=pathlib.Path),
    help="Write no records. Search this folder for names and other identifiers of the people in "
    "--input; the exit status is 1 if any is found or a file cannot be searched.",
)
@click.option(
    "--size", default=256, show_default=True, help="Height and width of a frame, in pixels."
)
@click.option(
    "--fit",
    type=click.Choice(["stretch", "pad"]),
    default="stretch",
    show_default=True,
    help="stretch: resize each frame to a square. pad: keep its proportions and add black borders.",
)
@click.option(
    "--percentiles",
    nargs=2,
    type=float,
    default=(1.0, 99.0),
    show_default=True,
    metavar="LOW HIGH",
    help="Intensity percentiles of each cine that become black and white.",
)
@click.option("--seed", default=0, show_default=True, help="Random seed of the split by subject.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Number of processes that read files.  [default: chosen by the number of subjects]",
)
@SCHEDULER
@click.option(
    "--strict",
    is_flag=True,
    help="Stop at the first file that cannot be read, instead of skipping it.",
)
@JSON
def command(
    source: pathlib.Path,
    out: pathlib.Path | None,
    audited: pathlib.Path | None,
    size: int,
    fit: str,
    percentiles: tuple[float, float],
    seed: int,
    keep_ids: bool,
    reading: ReadOptions,
    workers: int | None,
    scheduler: str | None,
    strict: bool,
    report: pathlib.Path | None,
) -> None:
    """Convert cines to training records.

    Subjects are split at random: 80 % train, 10 % validation, 10 % test.

    Supported files: DICOM (folders or zips), NIfTI, MP4 and GIF videos, folders of PNGs. Supported
    layouts: one folder per subject, UK Biobank field 20208, Data Science Bowl 2015, M&Ms-2.

    Files that cannot be read are listed and skipped. To resume after an interruption, run the same
    command again.
    """
    answer = Answer(report)
    if workers is not None and scheduler is not None:
        raise click.UsageError("--workers is for one machine; remove it or --scheduler")
    if audited is not None:
        if out is not None:
            raise click.UsageError("--audit writes no records; remove --out")
        _audit(audited, source, answer)
        return
    if out is None:
        raise click.UsageError("Missing option '--out'")
    options = Options(
        size,
        fit,  # type: ignore[arg-type]
        percentiles,
        seed,
        keep_ids,
        reading.slice,
        reading.mask_boxes,
        reading.spacing_mm,
        reading.series,
        reading.time_axis,
    )

    def echo(line: str) -> None:
        tqdm.write(line, file=sys.stderr)

    def tell(refusal: Refusal) -> None:
        echo(str(refusal))

    extras = Extras(echo)
    with tqdm(unit=" subjects", disable=None) as bar:
        try:
            card = prepare(
                source,
                out,
                options,
                on_refusal=insist if strict else tell,
                on_subject=advance(bar),
                on_extra=extras,
                workers=workers,
                scheduler=scheduler,
            )
        finally:
            extras.sum_up()
    for split in (s for s in SPLITS if s in card["videos"]):
        answer.say(
            f"{split}: {card['subjects'][split]} subjects, {card['videos'][split]} videos, "
            f"{card['frames'][split]} frames"
        )
    if len(card["subjects"]) == 1:
        answer.say(f"fewer than {FEWEST_SUBJECTS} subjects: all are in train")
    if sum(twice := card.get("duplicates", {}).values()):
        answer.say(f"{sum(twice)} pairs of videos show the same heart; see {out}/report.html")
    answer.say(f"{len(card['refused'])} refused; records in {out}")
    answer.give({"records": str(out), **card})


def _audit(folder: pathlib.Path, source: pathlib.Path, answer: Answer) -> None:
    from gancmri_jax.privacy.audit import audit

    with tqdm(disable=None) as bar:
        result = audit(folder, source, advance(bar))
    for finding in result.findings:
        answer.say(finding)
    for piece in result.not_searched:
        answer.say(f"{piece}; it was not searched")
    answer.say(
        f"{len(result.findings)} findings of {result.num_identifiers} identifiers in "
        f"{result.num_files} files; {result.num_short} of them are short and were looked for "
        "only where a subject's name stands"
    )
    answer.give(
        {
            "files": result.num_files,
            "identifiers": result.num_identifiers,
            "short": result.num_short,
            "findings": list(map(str, result.findings)),
            "not_searched": list(map(str, result.not_searched)),
        }
    )
    if result.findings or result.not_searched:
        sys.exit(1)
