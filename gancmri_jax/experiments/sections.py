"""What a rerun's report says: each number beside the paper's and a baseline."""

from collections.abc import Mapping

from gancmri_jax.experiments import paper
from gancmri_jax.experiments.hardware import hardware
from gancmri_jax.experiments.summary import NAMES, Rerun, number, numbers, pairs, summary
from gancmri_jax.experiments.temporal_superres import METHODS
from gancmri_jax.page import Block, Figure, Heading, Table, Text
from gancmri_jax.version import __version__

_I3D_FEATURES = 400
_FEW = (
    f" There are fewer clips than the {_I3D_FEATURES} features: the distances are far from their "
    "limit, and what differs little does not differ."
)


def sections(rerun: Rerun) -> list[Block]:
    """Return the report."""
    lines = numbers(rerun)
    return [
        *_opening(rerun),
        *summary(lines),
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
        table = pairs(fvd)
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
                NAMES.get(name, name),
                number(row["pearson_r"], 3),
                f"{paper.PEARSON_R[name]:g}",
                number(row["pearson_r_pooled"], 3),
                "unknown" if row["p_value"] is None else f"{row['p_value']:.1e}",
                number(guided_at_random[name], 3),
                ", ".join(f"{c} {number(v, 2)}" for c, v in row["cross_talk"].items()),
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
        files.append((NAMES[name], f"{low + high} ({low} low, {high} high)", paper.FILES[name]))
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
