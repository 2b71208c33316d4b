"""Names of metrics, which say how many samples they take: `fid50k_full`, `kid2000`, `fvd16_…`."""

import dataclasses
import difflib
import re

from gancmri_jax.errors import InputError
from gancmri_jax.metrics.table import METRICS, Kind, Metric

# How many samples are taken where the name does not say; the most, of clips and videos.
_COUNTS: dict[Kind, int] = {"frames": 50_000, "clips": 2048, "videos": 2048, "models": 2000}
_LEAST_CLIP = 10  # frames, which I3D needs

# How names go on after the metric's own.
_ENDS: dict[Kind, str] = {
    "frames": r"((?P<number>\d+)(?P<thousand>k)?)?(?P<full>_full)?",
    "clips": r"(?P<clip>\d+)_(?P<how>consecutive|equispaced)",
}
_EXAMPLES: dict[Kind, str] = {"frames": "50k", "clips": "16_equispaced"}


@dataclasses.dataclass(frozen=True)
class MetricName:
    """A metric as it was asked for.

    Attributes:
        name: In full, with its number of samples where that belongs to it.
        base: Its row of `METRICS`: `fid`, `fvd`, `ssim`, ….
        count: How many samples are drawn of each set, at most for clips and videos.
        full: All real frames are taken, `count` only of the fakes.
        clip_frames, clip_how: Length of clips, and `consecutive` or `equispaced`.
    """

    name: str
    base: str
    count: int = 0
    full: bool = False
    clip_frames: int = 0
    clip_how: str = ""

    @property
    def metric(self) -> Metric:
        """The row of the table."""
        return METRICS[self.base]


def parse_metric(name: str) -> MetricName:
    """Read a metric's name.

    Raises:
        InputError: There is no such metric, or it takes more samples.
    """
    for base, metric in METRICS.items():
        if match := re.fullmatch(re.escape(base) + _ENDS.get(metric.kind, ""), name):
            return _read(base, metric, match)
    stem = re.split(r"\d", name.lower())[0]
    near = difflib.get_close_matches(stem, METRICS, n=1)
    guess = f"did you mean {example(near[0])}? " if near else ""
    names = ", ".join(map(example, METRICS))
    raise InputError(f"{name}: no such metric; {guess}Metrics are {names}")


def _read(base: str, metric: Metric, match: re.Match[str]) -> MetricName:
    name, count = match[0], _COUNTS.get(metric.kind, 0)
    if metric.kind == "frames":
        if match["number"]:
            count = int(match["number"]) * (1000 if match["thousand"] else 1)
        if count < metric.least:
            raise InputError(
                f"{name}: takes at least {metric.least} frames, and the name says {count}"
            )
        full = match["full"] or ""
        return MetricName(f"{base}{short(count)}{full}", base, count, bool(full))
    if metric.kind == "clips":
        length = int(match["clip"])
        if length < _LEAST_CLIP:
            raise InputError(f"{name}: takes clips of {_LEAST_CLIP} frames or more")
        return MetricName(name, base, count, clip_frames=length, clip_how=match["how"])
    return MetricName(name, base, count)


def example(base: str) -> str:
    """Return a name of a metric in full, to show how it is written."""
    return base + _EXAMPLES.get(METRICS[base].kind, "")


def short(count: int) -> str:
    """Write a number of samples as names do: 50k, 500."""
    return f"{count // 1000}k" if count % 1000 == 0 else str(count)
