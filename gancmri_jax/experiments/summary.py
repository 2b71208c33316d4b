"""All numbers of a rerun at one glance: each beside the paper's, a baseline, and its protocol."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gancmri_jax.experiments import paper
from gancmri_jax.experiments.journal import Result
from gancmri_jax.experiments.scale import Scale
from gancmri_jax.page import Block, Heading, Table, Text

NAMES = {"sphericity_index": "sphericity index", "lv_area": "LV area"}


class Rerun(NamedTuple):
    """What the report is of.

    Attributes:
        scale: How much of everything.
        results: By stage.
        missing: By stage that was left out, why.
        model: The model's name, or None where it was trained here, and its fingerprint.
        resolution: Height and width of its frames.
        seed: Of the phantoms.
        borrowed_segmenter: The model had none, and the demo model's measured.
    """

    scale: Scale
    results: Mapping[str, Result]
    missing: Mapping[str, str]
    model: tuple[str | None, str]
    resolution: int
    seed: int
    borrowed_segmenter: bool


class Line(NamedTuple):
    """A number beside the paper's.

    Attributes:
        what: Of what it is.
        here, published: The two numbers; None where the paper has none.
        baseline: What it must be seen beside.
        protocol: N, and how.
        better: Whether less or more is better, or neither.
        like: How far the two can be compared.
        digits: Behind the point.
    """

    what: str
    here: float
    published: float | None
    baseline: str
    protocol: str
    better: int = 0
    like: str = ""
    digits: int = 2


def numbers(rerun: Rerun) -> list[Line]:
    """Return every number that was measured."""
    results, size = rerun.results, rerun.resolution
    lines = []
    for base, what, published in (
        ("fid", "FID", paper.FID),
        ("cfid", "cFID (published FCN)", paper.CFID),
        ("fcn_fd", "the same through our segmenter, so not cFID", None),
    ):
        if card := results.get(base):
            value, half = card["floor"]
            floor = f"{value:.3g}, real – real, halves of {half}"
            protocol = f"{card['n_fake']} frames of each at {size}²"
            lines.append(Line(what, card["value"], published, floor, protocol, -1, "other data"))
    if fvd := results.get("fvd"):
        table = pairs(fvd)
        clips = f"16 of 50 frames, {fvd['clips']} clips of each at {size}²"
        still = f"{table['real', 'still']:.4g}, hearts at rest"
        for method in ("frame-to-frame", "ed-to-es"):
            published = paper.FVD["real", method]
            what = f"FVD, real – {method}"
            lines.append(
                Line(what, table["real", method], published, still, clips, -1, "other data")
            )
    if fit := results.get("fit"):
        lines.append(
            Line(
                "Share of the way to ES that frame-to-frame goes",
                fit["retained_motion"],
                paper.RETAINED_MOTION,
                "1, all of it",
                f"mean of {fit['counts']['frame_to_frame']} videos",
                +1,
                "the paper's from its published steps",
            )
        )
    if found := results.get("superres"):
        rows = {row["method"]: row for row in found["rows"]}
        blend = f"{rows['blend']['ssim']:.4f}, a blend of pixels"
        n = f"{found['frames']} frames of {found['videos']} test videos at {size}²"
        for method, what in (
            ("latent, t", "meanSSIM of every second frame, by codes as in the paper"),
            ("residual", "meanSSIM, codes and residual (not in the paper)"),
        ):
            value = rows[method]["ssim"]
            lines.append(Line(what, value, paper.MEAN_SSIM, blend, n, +1, "other data", 4))
    if guided := results.get("guidance"):
        for name, published in paper.PEARSON_R.items():
            row = guided["phenotypes"][name]
            if row["pearson_r"] is None:
                continue
            lines.append(
                Line(
                    f"Pearson r of c and {NAMES[name]}, median heart",
                    row["pearson_r"],
                    published,
                    f"{number(guided['random'][name], 3)}, along a random direction",
                    f"{guided['amounts']} values of c in [−2, 3], {guided['hearts']} hearts",
                    +1,
                    "one heart or several is not said in the paper",
                    3,
                )
            )
    if speed := results.get("speed"):
        phantom = f"{speed['seconds_of']['phantom'][0]:.2f} s, a phantom of this size"
        for method, published in paper.SECONDS_PER_VIDEO.items():
            lines.append(
                Line(
                    f"Seconds for a 50-frame video, {method}",
                    speed["seconds_of"][method][0],
                    published,
                    phantom,
                    f"{speed['trials']} trials at {size}², {speed['hardware']}",
                    -1,
                    "the paper's at 256² on an RTX 2080 Ti",
                )
            )
    return lines


def summary(lines: list[Line]) -> list[Block]:
    """Return the table of numbers, and where the paper is not beaten."""
    rows = [
        (
            line.what,
            f"{line.here:.{line.digits}f}",
            "–" if line.published is None else f"{line.published:g}",
            line.baseline,
            line.protocol,
        )
        for line in lines
    ]
    short = [
        f"{line.what}, {line.here:.{line.digits}f} against {line.published:g} ({line.like})"
        for line in lines
        if line.published is not None and line.better * (line.here - line.published) < 0
    ]
    return [
        Heading(2, "All numbers"),
        Table(("what", "here", "paper", "baseline here", "N and protocol"), rows),
        Text(
            f"Where the paper is not beaten: {'; '.join(short)}."
            if short
            else "No number falls short of the paper's."
        ),
    ]


def number(value: float | None, digits: int) -> str:
    """Write a number that may be unknown."""
    return "unknown" if value is None else f"{value:.{digits}f}"


def pairs(fvd: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """Return a table of distances by pair, either way round."""
    pairs = {(a, b): value for a, b, value in fvd["table"]}
    return pairs | {(b, a): value for (a, b), value in pairs.items()}
