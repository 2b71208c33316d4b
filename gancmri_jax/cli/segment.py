"""`gancmri segment`: find the chambers in cines, and measure the left ventricle."""

import math
import pathlib
import sys
from typing import Literal

import click
from tqdm import tqdm

from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cli.reading import SCHEDULER, Extras, reads_cines
from gancmri_jax.cli.writing import JSON, Answer, advance


@click.command("segment")
@reads_cines
@click.option(
    "--model",
    "name",
    default="demo",
    show_default=True,
    help="Segmenter: demo, a model file that contains one, or a run folder of `gancmri "
    "train-segmenter`.",
)
@click.option(
    "--truth",
    type=click.Path(path_type=pathlib.Path),
    help="Folder with true masks, from `gancmri phantom` or as M&Ms-2 and ukbb_cardiac have them; "
    "prints the errors against them and writes scores.csv and bland_altman.png. Implies "
    "--keep-ids.",
)
@click.option(
    "--papillary",
    type=click.Choice(["pool", "wall"]),
    default="pool",
    show_default=True,
    help="Where papillary muscles belong: to the LV's blood pool, as is the convention, or to its "
    "wall.",
)
@click.option(
    "--intervals",
    is_flag=True,
    help="Measure 90 % intervals of LV areas by segmenting each cine three more times, mirrored, "
    "turned and scaled; this takes four times as long.",
)
@click.option(
    "--keep-flagged",
    is_flag=True,
    help="Include cines whose segmentation is flagged in means and scores.",
)
@SCHEDULER
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path, file_okay=False),
    help="Output folder.",
)
@JSON
def command(
    name: str,
    source: pathlib.Path,
    reading: ReadOptions,
    keep_ids: bool,
    truth: pathlib.Path | None,
    papillary: Literal["pool", "wall"],
    intervals: bool,
    keep_flagged: bool,
    scheduler: str | None,
    out: pathlib.Path,
    report: pathlib.Path | None,
) -> None:
    """Segment the chambers in cines and measure the left ventricle.

    Writes OUT/phenotypes.csv with LV area, sphericity index and fractional area change, and
    OUT/segmentation.json with the segmenter and the source of each ES frame. Each cine has a folder
    with its mask (0 background, 1 LV, 2 myocardium, 3 RV, 4 LA, 5 RA), overlay pictures and LV area
    curve.

    Segmentations that are not to be trusted are flagged: in the column flags, with the reason in
    segmentation.json and above overlay.png. `gancmri fit` leaves flagged subjects out.

    Areas and sphericity need the pixel spacing; give --spacing-mm for videos and PNGs. ES is when
    the smoothed LV area is smallest (es_phase_frames); the ES frame comes from the input if it
    names one, otherwise it is the nearest frame. With --truth, it is always the nearest frame.

    With --truth, masks are matched with cines by the subject's name. Structures that no mask has,
    such as atria in M&Ms-2, are not scored. Printed means leave flagged cines out; scores.csv has
    all cines.

    With --scheduler, what is finished is kept: to resume after an interruption, run the same
    command again.
    """
    if scheduler is not None and truth is not None:
        raise click.UsageError("--truth is for one machine; remove it or --scheduler")
    import dataclasses

    from gancmri_jax.cine.read import input_path, read_cines
    from gancmri_jax.cine.records import is_records
    from gancmri_jax.cine.refusal import Refusal
    from gancmri_jax.cine.subject import hash_subject, subject_key
    from gancmri_jax.errors import InputError
    from gancmri_jax.model.file import load_segmenter_of
    from gancmri_jax.physiology.outputs import segment_cine, unique_names, write_findings
    from gancmri_jax.physiology.over_cluster import segment_over_cluster
    from gancmri_jax.physiology.phenotypes import Findings, describe, describe_means
    from gancmri_jax.physiology.truth import Scored, read_truth, report_scores, score_cine
    from gancmri_jax.segmentation.scale import HEART_SPREAD

    def echo(line: str) -> None:
        tqdm.write(line, file=sys.stderr)  # above the progress bar

    def say(refusal: Refusal) -> None:
        echo(str(refusal))

    answer = Answer(report)
    segmenter = load_segmenter_of(name)
    findings: dict[str, Findings] = {}
    scores: dict[str, Scored] = {}

    def tell(stem: str, found: Findings, spacing_known: bool) -> None:
        findings[stem] = found
        notes = [describe(found)]
        if not spacing_known:
            notes.append("spacing unknown, so areas are left empty and no NIfTI is written")
            if found.estimated_mm is not None:
                notes.append(
                    f"its heart's size suggests {found.estimated_mm:.2f} mm ± {HEART_SPREAD:.0%}"
                )
        answer.say(f"{stem}: {'; '.join(notes)}")

    def skip(error: object) -> None:
        echo(f"{error}; skipped")

    extras = Extras(echo)
    if scheduler is not None:
        try:
            with tqdm(unit=" subjects", desc="segment") as bar:
                segmented = segment_over_cluster(
                    scheduler,
                    segmenter,
                    source,
                    out,
                    reading,
                    keep_ids=keep_ids,
                    papillary=papillary,
                    intervals=intervals,
                    on_refusal=say,
                    on_extra=extras,
                    on_task=advance(bar),
                )
        finally:
            extras.sum_up()
        for stem, result in segmented.items():
            if isinstance(result.findings, str):
                skip(result.findings)
            else:
                tell(stem, result.findings, result.spacing_known)
    else:
        try:
            cines = read_cines(
                source, say, reading, on_extra=extras, keep_ids=keep_ids or bool(truth)
            )
        finally:
            extras.sum_up()
        names = unique_names(cines)
        truths = {}
        if truth:
            truths = read_truth(
                truth,
                dict(zip(names, cines, strict=True)),
                lambda name: click.echo(f"{name}: has no mask in {truth}; not scored", err=True),
            )
            cines = [dataclasses.replace(cine, es_frame=None) for cine in cines]
        elif not (keep_ids or is_records(source)):
            key = subject_key()
            cines = [
                dataclasses.replace(cine, subject=hash_subject(cine.subject, key)) for cine in cines
            ]
            names = unique_names(cines)
        for stem, cine in zip(names, tqdm(cines, unit=" cines", desc="segment"), strict=True):
            try:
                segmentation, found = segment_cine(
                    segmenter, cine, out / stem, papillary, intervals
                )
            except InputError as error:
                skip(error)
                continue
            tell(stem, found, not math.isnan(cine.spacing_mm[0]))
            if stem in truths:
                scores[stem] = score_cine(truths[stem], segmentation, found, cine.spacing_mm)
    if not findings:
        raise InputError(f"{input_path(source, keep_ids)}: no cine could be segmented")
    write_findings(out, findings, segmenter, papillary)
    flagged = {stem: found.flags for stem, found in findings.items() if found.flags}
    kept = {stem: found for stem, found in findings.items() if keep_flagged or not found.flags}
    if flagged:
        listed = ", ".join(f"{stem} ({flags})" for stem, flags in flagged.items())
        answer.say(f"flagged: {len(flagged)} of {len(findings)} cines: {listed}")
    if len(kept) > 1:
        which = "cines" if keep_flagged or not flagged else "cines without flags"
        answer.say(f"mean of {len(kept)} {which}: {describe_means(list(kept.values()))}")
    if truth and scores:
        for line in report_scores(out, truth, scores, keep_flagged, intervals):
            answer.say(line)
    answer.say(f"{len(findings)} cines in {out}")
    table = {stem: {**found.phenotypes, "flags": found.flags} for stem, found in findings.items()}
    answer.give({"cines": table})
