"""What a rerun's report says: each number beside the paper's and a baseline."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gancmri_jax.experiments import paper
from gancmri_jax.experiments.hardware import hardware
from gancmri_jax.experiments.journal import Result
from gancmri_jax.experiments.report import Block, Figure, Heading, Table, Text
from gancmri_jax.experiments.scale import Scale
from gancmri_jax.experiments.temporal_superres import METHODS
from gancmri_jax.version import __version__

_I3D_FEATURES = 400
_FEW = (
    f" There are fewer clips than the {_I3D_FEATURES} features: the distances are far from their "
    "limit, and what differs little does not differ."
)
_NAMES = {"sphericity_index": "sphericity index", "lv_area": "LV area"}


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
        here, published: The two numbers, and `unit` after each.
        baseline: What it must be seen beside.
        protocol: N, and how.
        better: Whether less or more is better, or neither.
        like: How far the two can be compared.
    """

    what: str
    here: float
    published: float | None
    baseline: str
    protocol: str
    better: int = 0
    like: str = ""
    digits: int = 2


def sections(rerun: Rerun) -> list[Block]:
    """Return the report."""
    lines = _lines(rerun)
    return [
        *_opening(rerun),
        *_summary(lines),
        *_frames(rerun),
        *_motion(rerun),
        *_superres(rerun),
        *_guidance(rerun),
        *_speed(rerun),
        *_making(rerun),
    ]


def _opening(rerun: Rerun) -> list[Block]:
    name, fingerprint = rerun.model
    made = f"the model `{name}`" if name else "a model trained here"
    return [
        Heading(1, "GANcMRI, rerun on phantoms"),
        Text(
            f"Every experiment of Vukadinovic et al. 2023 on {rerun.scale.subjects} phantom hearts "
            f"(seed {rerun.seed}) of 50 frames at {rerun.resolution}², by {made} "
            f"(`{fingerprint}`), with gancmri_jax {__version__} on {hardware()}."
        ),
        Text(
            "The paper's data are 45,531 cines of UK Biobank at 256², which are not open. Phantoms "
            "are simpler than people, and distances depend on the data, the size and the number of "
            "samples: a distance here and one of the paper cannot be compared as numbers, only the "
            "relations between them. Correlations, SSIM and seconds can, with that in mind."
        ),
    ]


def _lines(rerun: Rerun) -> list[Line]:
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
        table = _pairs(fvd)
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
                    f"Pearson r of c and {_NAMES[name]}, median heart",
                    row["pearson_r"],
                    published,
                    f"{_number(guided['random'][name], 3)}, along a random direction",
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


def _summary(lines: list[Line]) -> list[Block]:
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


def _frames(rerun: Rerun) -> list[Block]:
    return [
        Heading(2, "Frames"),
        Figure("figure3.png", "As Figure 3: generated frames above real ones, which are phantoms."),
        *_left_out(rerun, "fid", "fcn_fd", "cfid"),
        Text(
            f"The paper's cardiologist took a generated frame for the real one in {paper.FOOLED}. "
            "No machine stands in for him: `gancmri study create` makes that test for readers."
        ),
    ]


def _motion(rerun: Rerun) -> list[Block]:
    blocks: list[Block] = [
        Heading(2, "Motion"),
        Figure(
            "figure2.png",
            "As Figure 2: ED-to-ES goes straight out and back, frame-to-frame by a step for each "
            "frame. Above, frames of one heart; below, its ways through latent space.",
        ),
    ]
    if "films" in rerun.results:
        blocks.append(
            Figure("videos.mp4", "Real hearts (above), ED-to-ES (middle), frame-to-frame (below).")
        )
    if fvd := rerun.results.get("fvd"):
        table = _pairs(fvd)
        names = ("real", "ed-to-es", "frame-to-frame", "still")
        rows = [
            (name, *(f"{table[pair]:.2f}" if (pair := (name, o)) in table else "" for o in names))
            for name in names
        ]
        ours = [(f"{a} – {b}", f"{table[a, b]:.2f}", f"{v:.2f}") for (a, b), v in paper.FVD.items()]
        blocks += [
            Text(
                f"Table 1, FVD of 16 equally spaced frames, {fvd['clips']} clips of each set. A "
                "set's distance to itself is that of its halves; hearts at rest are a baseline."
                + (_FEW if fvd["clips"] < _I3D_FEATURES else "")
            ),
            Table(("", *names), rows),
            Table(("pair", "here", "paper"), ours),
            Text(_two_claims(table)),
        ]
    blocks += _left_out(rerun, "films", "fvd")
    if found := rerun.results.get("movement"):
        measures = ("roughness", "closure", "excursion")
        rows = [
            (kind, *(f"{values[m]:.3g}" for m in measures))
            for kind, values in found["median"].items()
        ]
        blocks += [
            Figure(
                "figure4.png",
                "In place of Figure 4, a cardiologist's ranking: how each kind of video moves. The "
                "nearer to the dotted line, the more like real ones.",
            ),
            Table(("median", *measures), rows),
            Text(
                f"Of {found['videos']} videos of each kind, by root mean square differences of "
                "frames: second over first differences; the step that closes the beat over the "
                "mean step; the largest difference from the first frame. Videos of 100 frames have "
                "steps half as long. `gancmri study create` makes the ranking for readers."
            ),
        ]
    return blocks + _left_out(rerun, "movement")


def _two_claims(table: Mapping[tuple[str, str], float]) -> str:
    """Say whether the paper's two indicators for frame-to-frame hold here."""
    nearer = table["real", "frame-to-frame"] < table["real", "ed-to-es"]
    stable = table["frame-to-frame", "frame-to-frame"] < table["ed-to-es", "ed-to-es"]
    return (
        f"The paper's first indicator for frame-to-frame, nearer to real videos than ED-to-ES, "
        f"{'holds' if nearer else 'does not hold'} here; the second, a smaller distance to itself, "
        f"{'holds' if stable else 'does not hold'}."
    )


def _superres(rerun: Rerun) -> list[Block]:
    blocks: list[Block] = [Heading(2, "Temporal super-resolution")]
    if found := rerun.results.get("superres"):
        rows = [
            (
                row["method"],
                METHODS[row["method"]],
                f"{row['ssim']:.4f}",
                f"{row['psnr']:.2f}",
                "–" if row["ssim_last"] is None else f"{row['ssim_last']:.4f}",
            )
            for row in found["rows"]
        ]
        blocks += [
            Text(
                f"Every second of 50 frames is taken away from {found['videos']} test videos and "
                f"found again, {found['frames']} frames with two neighbours each; the last frame, "
                "between the 49th and the first, is apart."
            ),
            Table(("method", "what it is", "SSIM", "PSNR, dB", "SSIM of the last"), rows),
            Text(found["verdict"]),
            Figure(
                "superres.png",
                "Where a frame made from codes is least like its neighbours: what each method "
                "shows, and how it differs from a blend of the two.",
            ),
        ]
    if "films" in rerun.results:
        blocks.append(
            Figure("superres.mp4", "A cine of 50 frames (left), and at 100 frames (right).")
        )
    return blocks + _left_out(rerun, "superres")


def _guidance(rerun: Rerun) -> list[Block]:
    blocks: list[Block] = [
        Heading(2, "Physiologic guidance"),
        Figure("figure5.png", "As Figure 5: three hearts along the sphericity index."),
        Figure("figure8.png", "As Figure 8: the same along LV area."),
    ]
    if found := rerun.results.get("guidance"):
        guided_at_random = found["random"]
        rows = [
            (
                _NAMES.get(name, name),
                _number(row["pearson_r"], 3),
                f"{paper.PEARSON_R[name]:g}",
                _number(row["pearson_r_pooled"], 3),
                "unknown" if row["p_value"] is None else f"{row['p_value']:.1e}",
                _number(guided_at_random[name], 3),
                ", ".join(f"{c} {_number(v, 2)}" for c, v in row["cross_talk"].items()),
            )
            for name, row in found["phenotypes"].items()
            if name in paper.PEARSON_R
        ]
        blocks += [
            Figure("figure9.png", "As Figure 9: what the segmenter measures as c grows."),
            Table(
                (
                    "direction",
                    "r, median heart",
                    "paper",
                    "r, pooled",
                    "p, median heart",
                    "r, random direction",
                    "effect of c = 1, in deviations",
                ),
                rows,
            ),
        ]
    if rerun.borrowed_segmenter:
        blocks.append(Text("The model has no segmenter; the demo model's measured its hearts."))
    return blocks + _left_out(rerun, "guidance")


def _speed(rerun: Rerun) -> list[Block]:
    blocks: list[Block] = [Heading(2, "Speed")]
    if speed := rerun.results.get("speed"):
        rows = [
            (name, f"{mean:.3f} ± {deviation:.3f}", f"{paper.SECONDS_PER_VIDEO.get(name, '–')}")
            for name, (mean, deviation) in speed["seconds_of"].items()
        ]
        blocks += [
            Table(("50-frame video", f"seconds at {rerun.resolution}²", "paper, 256²"), rows),
            Text(f"Mean ± standard deviation of {speed['trials']} trials on {speed['hardware']}."),
        ]
    return blocks + _left_out(rerun, "speed")


def _making(rerun: Rerun) -> list[Block]:
    results = rerun.results
    counts, low_high = results["fit"]["counts"], results["fit"]["low_high"]
    halved = results["codes-halved"]["videos"]
    files = [
        ("ED-to-ES", str(counts["ed_to_es"]), paper.FILES["ed-to-es"]),
        ("Frame-to-frame", str(counts["frame_to_frame"]), paper.FILES["frame-to-frame"]),
        ("Super-resolution", str(halved), f"{paper.FILES['superres']}, measured on 100"),
    ]
    for name, (low, high) in low_high.items():
        files.append((_NAMES[name], f"{low + high} ({low} low, {high} high)", paper.FILES[name]))
    codes = results["codes-beats"]
    stages = [(name, f"{result['seconds']:.0f}") for name, result in results.items()]
    return [
        Heading(2, "How it was made"),
        Text("Table 2, the number of videos behind each method."),
        Table(("method", "here", "paper"), files),
        Text(
            f"Codes are of {codes['steps']} steps from the {codes['start']} (the paper: 1000 from "
            f"the mean); {codes['distance']} on average."
        ),
        Table(("stage", "seconds"), stages),
    ]


def _left_out(rerun: Rerun, *stages: str) -> list[Block]:
    return [
        Text(f"Not measured, `{stage}`: {rerun.missing[stage]}.")
        for stage in stages
        if stage in rerun.missing
    ]


def _number(value: float | None, digits: int) -> str:
    return "unknown" if value is None else f"{value:.{digits}f}"


def _pairs(fvd: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """Return a table of distances by pair, either way round."""
    pairs = {(a, b): value for a, b, value in fvd["table"]}
    return pairs | {(b, a): value for (a, b), value in pairs.items()}
