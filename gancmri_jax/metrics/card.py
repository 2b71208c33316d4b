"""The protocol card: a metric's value with everything that is needed to repeat it."""

import dataclasses
import json
import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np

from gancmri_jax.atomic import atomic_write
from gancmri_jax.errors import InputError
from gancmri_jax.version import __version__

# What must be the same for two values to be compared, and how it is called in a refusal.
_COMPARED = {
    "metric": "metric",
    "n_real": "number of real samples",
    "n_fake": "number of fake samples",
    "frames": "frames of a clip",
    "size": "size of the frames",
    "backbone": "backbone",
    "backbone_sha256": "backbone's weights",
    "preprocessing": "preprocessing",
    "ddof": "degrees of freedom",
    "real_digest": "real data",
}


@dataclasses.dataclass(frozen=True)
class Card:
    """One result.

    Attributes:
        metric: Its name.
        value: The number.
        interval: 95 %, by `interval_by`; None where none was asked for.
        n_real, n_fake: Samples of each set; 0 where the metric takes none.
        frames: How clips were taken, or empty.
        details: What else a reader wants to know.
        size: Height and width of the frames.
        backbone, backbone_sha256, preprocessing: What looked at them, or empty.
        ddof: Of covariances; None where there are none.
        floor: The same metric between two halves of the real set, and the samples of a half.
        real, real_digest, fake, fake_digest: What was compared, and the hash of its content.
        seed: Of everything that was drawn.
        warnings: What a reader must know.
    """

    metric: str
    value: float
    n_real: int
    n_fake: int
    size: tuple[int, int]
    real: str
    real_digest: str
    fake: str
    fake_digest: str
    seed: int
    interval: tuple[float, float] | None = None
    interval_by: str = ""
    frames: str = ""
    details: str = ""
    backbone: str = ""
    backbone_sha256: str = ""
    preprocessing: str = ""
    ddof: int | None = None
    floor: tuple[float, int] | None = None
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return all of it, with the versions of what computed it and the line for people."""
        return {
            **dataclasses.asdict(self),
            "versions": {
                "gancmri_jax": __version__,
                "jax": jax.__version__,
                "numpy": np.__version__,
            },
            "line": str(self),
        }

    def __str__(self) -> str:
        parts = [f"{self.metric} = {self.value:.4g}"]
        if self.interval is not None:
            parts.append(f"[{self.interval[0]:.4g}, {self.interval[1]:.4g}]")
        told = [f"{self.n_real} real, {self.n_fake} fake" if self.n_real else f"{self.n_fake} fake"]
        told += [part for part in (self.frames, self.details) if part]
        if self.backbone:
            told.append(self.backbone)
        if self.ddof is not None:
            told.append(f"ddof {self.ddof}")
        if self.floor is not None:
            told.append(f"real–real floor {self.floor[0]:.4g} at {self.floor[1]}")
        return " ".join([*parts, f"({'; '.join(told)})"])


def write_cards(path: pathlib.Path, cards: list[Card]) -> None:
    """Write results as a JSON list, whole or not at all."""
    with atomic_write(path) as part:
        part.write_text(json.dumps([card.as_json() for card in cards], indent=2) + "\n")


class Difference(NamedTuple):
    """A metric in two files, and whether its intervals overlap; None where one has none."""

    metric: str
    first: float
    second: float
    overlap: bool | None

    def __str__(self) -> str:
        said = f"{self.metric}: {self.first:.4g} → {self.second:.4g}"
        said += f" ({self.second - self.first:+.4g})"
        if self.overlap is not None:
            said += f", intervals {'overlap' if self.overlap else 'are apart'}"
        return said


def compare(a: pathlib.Path, b: pathlib.Path) -> list[Difference]:
    """Return the difference of each metric that both files hold, or refuse.

    Raises:
        InputError: The files share no metric, or one was not measured alike; says how.
    """
    ours, theirs = _read(a), _read(b)
    shared = [name for name in ours if name in theirs]
    if not shared:
        raise InputError(f"{a} and {b} share no metric: {', '.join(ours)} and {', '.join(theirs)}")
    differences = []
    for name in shared:
        first, second = ours[name], theirs[name]
        for key, what in _COMPARED.items():
            if key == "real_digest" and not first.get("n_real"):
                continue  # of the fake set alone
            if first.get(key) != second.get(key):
                raise InputError(
                    f"{name} of {a} and {b} cannot be compared: another {what}, "
                    f"{first.get(key)} and {second.get(key)}"
                )
        overlap = _overlap(first["interval"], second["interval"])
        differences.append(Difference(name, first["value"], second["value"], overlap))
    return differences


def _overlap(first: list[float] | None, second: list[float] | None) -> bool | None:
    if first is None or second is None:
        return None
    return first[1] >= second[0] and second[1] >= first[0]


def _read(path: pathlib.Path) -> dict[str, dict[str, Any]]:
    try:
        cards = json.loads(path.read_text())
        if isinstance(cards, dict):  # as --json prints them
            cards = cards["cards"]
        return {card["metric"]: card for card in cards}
    except (OSError, RecursionError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: cannot be read as what --json wrote: {error}") from error
