"""Names of metrics, which say how many samples they take: `fid50k_full`, `kid2000`, `fvd16_…`."""

import dataclasses
import re
from typing import Literal

from gancmri_jax.errors import InputError

Kind = Literal["distribution", "clips", "pairs", "videos", "model"]

_OF_FRAMES = ("fid", "kid", "fcn_fd", "cfid", "precision", "recall")
_PAIRED = ("ssim", "psnr", "lpips")
_OF_VIDEOS = ("roughness", "closure", "excursion")
_OF_MODELS = ("ppl_wend", "ppl_wfull")
_DEFAULT_FRAMES = 50_000
DEFAULT_CLIPS = 2048
LEAST_CLIP = 10

EXAMPLES = (
    "fid50k_full, fid2000, kid50k, precision50k, recall50k, fcn_fd50k, cfid50k, "
    "fvd16_consecutive, fvd16_equispaced, ssim, psnr, lpips, roughness, closure, excursion, "
    "ppl_wend, ppl_wfull"
)


@dataclasses.dataclass(frozen=True)
class Metric:
    """One metric as it was asked for.

    Attributes:
        name: In full, with its number of samples where that belongs to it.
        base: What is computed: `fid`, `fvd`, `ssim`, ….
        kind: What it is computed over.
        count: How many frames or clips are drawn of each set, at most for clips; 0 for all.
        full: All real frames are taken, `count` only of the fakes.
        clip_frames, clip_how: Of clips.
    """

    name: str
    base: str
    kind: Kind
    count: int = 0
    full: bool = False
    clip_frames: int = 0
    clip_how: Literal["", "consecutive", "equispaced"] = ""


def parse_metric(name: str) -> Metric:
    """Read a metric's name.

    Raises:
        InputError: There is no such metric.
    """
    for names, kind in ((_PAIRED, "pairs"), (_OF_VIDEOS, "videos"), (_OF_MODELS, "model")):
        if name in names:
            return Metric(name, name, kind)  # type: ignore[arg-type]
    if match := re.fullmatch(rf"({'|'.join(_OF_FRAMES)})(\d+)?(k)?(_full)?", name):
        base, number, thousand, full = match.groups()
        if number is not None or thousand is None:
            count = int(number) * (1000 if thousand else 1) if number else _DEFAULT_FRAMES
            if count < least(base):
                raise InputError(f"{name}: takes {least(base)} frames at least, asked for {count}")
            said = f"{base}{short(count)}{full or ''}"
            return Metric(said, base, "distribution", count, bool(full))
    if match := re.fullmatch(r"fvd(\d+)_(consecutive|equispaced)", name):
        if int(match[1]) < LEAST_CLIP:
            raise InputError(f"{name}: I3D takes clips of {LEAST_CLIP} frames at least")
        return Metric(
            name,
            "fvd",
            "clips",
            DEFAULT_CLIPS,
            clip_frames=int(match[1]),
            clip_how=match[2],  # type: ignore[arg-type]
        )
    raise InputError(f"{name}: no such metric; there are {EXAMPLES}")


def least(base: str) -> int:
    """Return how many samples a distance between distributions takes at least, two such halves."""
    return 8 if base in ("kid", "precision", "recall") else 4


def short(count: int) -> str:
    """Write a number of samples as names do: 50k, 500."""
    return f"{count // 1000}k" if count % 1000 == 0 else str(count)
