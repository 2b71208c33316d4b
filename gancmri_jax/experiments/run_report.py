"""What the report of a whole study says, in the order of its stages."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from gancmri_jax.experiments.hardware import hardware
from gancmri_jax.experiments.journal import Result
from gancmri_jax.page import Block, Figure, Heading, Table, Text
from gancmri_jax.runs.curves import draw_curves, read_run
from gancmri_jax.version import __version__


@dataclasses.dataclass(frozen=True)
class Study:
    """What a study left.

    Attributes:
        results, missing: By stage, what it left, or why it could not be done.
        metrics: Those that were asked for.
        folder: Where all lies.
        model: Its name where it was given, and its fingerprint.
        size: Of frames.
        options: How much of everything.
        borrowed_segmenter: The model has no segmenter of its own.
        measured_phenotypes: Phenotypes were not given but measured by the segmenter.
    """

    results: Mapping[str, Result]
    missing: Mapping[str, str]
    metrics: Sequence[str]
    folder: pathlib.Path
    model: tuple[str | None, str]
    size: int
    options: Mapping[str, Any]
    borrowed_segmenter: bool
    measured_phenotypes: bool


def report_blocks(study: Study) -> list[Block]:
    """Return the report; its curves of training are drawn here."""
    return [
        *_opening(study),
        *_hearts(study),
        *_metrics(study),
        *_memorisation(study),
        *_motion(study),
        *_projection(study),
        *_training(study),
        *_data(study),
        *_making(study),
    ]


def _opening(study: Study) -> list[Block]:
    name, fingerprint = study.model
    made = f"the model `{name}`" if name else "a model trained on them"
    videos = study.results["records"]["videos"]
    return [
        Heading(1, "A study of beating hearts"),
        Text(
            f"{sum(videos.values())} cines at {study.size}×{study.size} pixels and {made} "
            f"(`{fingerprint}`), with gancmri_jax {__version__} on {hardware()}."
        ),
        Text(
            "This page shows frames of real hearts, and the audit below shows training frames: "
            "protect it like the images it was made from."
        ),
    ]


def _hearts(study: Study) -> list[Block]:
    made = study.results["synthesize"]
    blocks: list[Block] = [
        Heading(2, "Generated hearts"),
        Figure(
            "hearts.mp4",
            f"{made['beside']} real hearts above, each frame the nearest in time, and as many "
            "generated ones below; they are not the same hearts.",
        ),
        Text(f"{made['hearts']} videos are in `videos/`; `model.safetensors` makes more."),
    ]
    for direction in made["guided"]:
        caption = f"Three generated hearts at ED, moved along {direction.replace('_', ' ')}."
        blocks.append(Figure(f"{direction}.png", caption))
    return blocks


def _metrics(study: Study) -> list[Block]:
    cards = [study.results[name] for name in study.metrics if name in study.results]
    rows = []
    for card in cards:
        interval, floor = card["interval"], card["floor"]
        rows.append(
            (
                card["metric"],
                f"{card['value']:.4g}",
                "" if interval is None else f"{interval[0]:.4g} to {interval[1]:.4g}",
                str(card["n_real"] or ""),
                str(card["n_fake"]),
                "" if floor is None else f"{floor[0]:.4g} at {floor[1]}",
                card["details"],
            )
        )
    header = ("metric", "value", "95 % interval", "real", "generated", "real–real floor", "details")
    blocks: list[Block] = [Heading(2, "Metrics")]
    if rows:
        blocks += [
            Text("Generated hearts against real ones, of held-out subjects where there are any."),
            Table(header, rows),
        ]
    blocks += [Text(f"{c['metric']}: {warning}.") for c in cards for warning in c["warnings"]]
    return blocks + _left_out(study, *study.metrics)


def _memorisation(study: Study) -> list[Block]:
    blocks: list[Block] = [Heading(2, "Does the model copy its training frames?")]
    if audit := study.results.get("memorisation"):
        blocks += [Text(f"{line}.") for line in audit["lines"]]
        if study.model[0]:
            blocks.append(
                Text(
                    "The model was not trained in this study: the audit can find copies of these "
                    "records only."
                )
            )
        for space in audit["spaces"]:
            name = space["space"]
            caption = f"The closest pairs by {name}: generated above, training frames below."
            blocks.append(Figure(f"memorisation/closest_{name}.png", caption))
    return blocks + _left_out(study, "memorisation")


def _motion(study: Study) -> list[Block]:
    fit = study.results["fit"]
    rows = [
        (
            name,
            f"{row['peak']:.0%}",
            str(row["frame"]),
            f"{row['closure']:.2f}",
            f"{row['roughness']:.2f}",
        )
        for name, row in fit["motions"].items()
    ]
    counts = ", ".join(f"{part} {count} videos" for part, count in fit["counts"].items())
    blocks: list[Block] = [
        Heading(2, "Motion and directions"),
        Text(f"Learned from: {counts}."),
        Table(("motion", "of the way to ES", "at frame", "closure", "roughness"), rows),
    ]
    if fit["calibration"]:
        blocks.append(
            Text(
                f"Motion is scaled to a median fractional area change of {fit['fac_percent']:.1f} "
                f"%: {fit['calibration']}."
            )
        )
    if fit["directions"]:
        learned = [(name, str(count)) for name, count in fit["directions"].items()]
        blocks.append(Table(("phenotype direction", "videos"), learned))
    if fit["flagged_left_out"]:
        blocks.append(
            Text(f"{fit['flagged_left_out']} subjects with a flagged segmentation were left out.")
        )
    if study.measured_phenotypes:
        blocks.append(
            Text("No table of phenotypes came with the cines: a segmenter measured them.")
        )
    if study.borrowed_segmenter:
        blocks.append(Text("The model has no segmenter of its own; it was given another."))
    blocks += [Text(f"Not learned: {reason}.") for reason in fit["left_out"]]
    return blocks + _left_out(study, "phenotypes")


def _projection(study: Study) -> list[Block]:
    names = [name for name in ("beats", "pairs") if name in study.results]
    rows = [
        (
            {"beats": "all frames", "pairs": "ED and ES"}[name],
            *(str(study.results[name][key]) for key in ("videos", "frames", "steps", "start")),
            study.results[name]["line"],
            str(study.results[name]["flagged"]),
        )
        for name in names
    ]
    header = ("projected", "videos", "frames", "steps", "start", "distance", "flagged frames")
    blocks: list[Block] = [Heading(2, "Projection"), Table(header, rows)]
    for name in names:
        caption = "The frames that were projected worst: target and projection."
        blocks.append(Figure(f"codes/{name}-report/worst.png", caption))
    return blocks


def _training(study: Study) -> list[Block]:
    if "train" not in study.results:
        return []
    workdir = study.folder / "train"
    draw_curves(study.folder / "training.png", {"train": read_run(workdir)})
    samples = sorted((workdir / "samples").glob("*.png"))
    blocks: list[Block] = [
        Heading(2, "Training"),
        Text(f"{study.results['train']['kimg']:g} thousand images."),
        Figure("training.png", "Losses and other quantities over thousands of images."),
    ]
    if samples:
        name = f"train/samples/{samples[-1].name}"
        blocks.append(Figure(name, "Single frames, generated at the end of training."))
    return blocks


def _data(study: Study) -> list[Block]:
    counts = study.results["records"]
    rows = [
        (split, str(counts["subjects"].get(split, "")), str(n), str(counts["frames"][split]))
        for split, n in counts["videos"].items()
    ]
    blocks: list[Block] = [
        Heading(2, "Data"),
        Table(("split", "subjects", "videos", "frames"), rows),
    ]
    if counts["refused"]:
        blocks.append(
            Text(f"{counts['refused']} files were refused; `records/report.html` has why.")
        )
    return blocks


def _making(study: Study) -> list[Block]:
    options = ", ".join(f"{name} {value}" for name, value in study.options.items())
    rows = [(name, f"{result['seconds']:.0f}") for name, result in study.results.items()]
    return [
        Heading(2, "How it was made"),
        Text(f"Options: {options}."),
        Table(("stage", "seconds"), rows),
    ]


def _left_out(study: Study, *stages: str) -> list[Block]:
    return [
        Text(f"Not done, `{stage}`: {study.missing[stage]}.")
        for stage in stages
        if stage in study.missing
    ]
