"""Does a model copy its training frames? Distances to the nearest one, against held-out frames'.

A generated frame that lies nearer to some training frame than held-out frames of other hearts do
is suspect; and where training frames lie nearer to generated ones than held-out frames do, an
attacker can tell who was in the training set.
"""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from gancmri_jax.cine.video_file import tile, write_png
from gancmri_jax.errors import InputError
from gancmri_jax.metrics.neighbours import auc, nearest
from gancmri_jax.version import __version__

Frames = UInt8[np.ndarray, "n h w"]
Space = Callable[[Frames], Float[np.ndarray, "n d"]]

_PERCENTILE = 1.0
PAIRS = 8  # of the picture


@dataclasses.dataclass(frozen=True)
class Memorisation:
    """What was found in one space.

    Attributes:
        space: Where distances were taken.
        nearest_fake: Median distance of generated frames to their nearest training frame.
        nearest_held_out: The same of held-out real frames.
        share_below: Share of generated frames nearer than the held-out 1st percentile: about 0.01
            where nothing is copied.
        membership_auc: Chance that a training frame lies nearer to the generated ones than a
            held-out frame does: 0.5 where nothing can be told.
        closest: Indices of the generated and training frames of the closest pairs.
    """

    space: str
    nearest_fake: float
    nearest_held_out: float
    share_below: float
    membership_auc: float
    closest: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        return (
            f"{self.space}: {100 * self.share_below:.1f} % of generated frames are nearer to a "
            f"training frame than 99 % of held-out ones are (about 1 % expected), medians "
            f"{self.nearest_fake:.4g} and {self.nearest_held_out:.4g}; membership AUC "
            f"{self.membership_auc:.3f}"
        )

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        return dataclasses.asdict(self)


def audit_memorisation(
    train: Frames, held_out: Frames, fake: Frames, spaces: dict[str, Space]
) -> list[Memorisation]:
    """Look for copies in each space.

    Args:
        train: Frames that the model was trained on.
        held_out: Frames of other subjects, as many as may be.
        fake: Generated frames.
        spaces: Name to features, distances between which are Euclidean.

    Raises:
        InputError: Sizes differ, or a set is too small for a first percentile.
    """
    sizes = {frames.shape[1:] for frames in (train, held_out, fake)}
    if len(sizes) > 1:
        raise InputError(f"frames must be of one size, are of {sorted(sizes)}")
    if len(held_out) < 100 / _PERCENTILE:
        raise InputError(f"the held-out 1st percentile needs 100 frames, there are {len(held_out)}")
    results = []
    for name, space in spaces.items():
        of_train, of_held_out, of_fake = space(train), space(held_out), space(fake)
        to_train, index = nearest(of_fake, of_train)
        held_out_to_train, _ = nearest(of_held_out, of_train)
        limit = np.percentile(held_out_to_train, _PERCENTILE)
        members, _ = nearest(of_train, of_fake)
        others, _ = nearest(of_held_out, of_fake)
        order = np.argsort(to_train, kind="stable")[:PAIRS]
        results.append(
            Memorisation(
                space=name,
                nearest_fake=float(np.median(to_train)),
                nearest_held_out=float(np.median(held_out_to_train)),
                share_below=float((to_train < limit).mean()),
                membership_auc=auc(-members, -others),
                closest=tuple((int(i), int(index[i])) for i in order),
            )
        )
    return results


def pixels(frames: Frames) -> Float[np.ndarray, "n d"]:
    """Return frames as vectors whose distance is the root mean square difference in grey levels."""
    flat = frames.reshape(len(frames), -1).astype(np.float32)
    return flat / np.float32(flat.shape[1] ** 0.5)


def write_audit(
    out: pathlib.Path,
    results: list[Memorisation],
    train: Frames,
    fake: Frames,
    protocol: dict[str, Any],
) -> None:
    """Write `memorisation.json`, and the closest pairs: generated above, training below.

    `protocol` says, JSON-like, what was compared.
    """
    for result in results:
        generated = fake[[i for i, _ in result.closest]]
        copied = train[[j for _, j in result.closest]]
        picture = tile(np.concatenate([generated, copied]), columns=len(generated))
        write_png(out / f"closest_{result.space}.png", picture)
    part = out / ".memorisation.json.part"
    told = {
        "spaces": [result.as_json() for result in results],
        **protocol,
        "versions": {"gancmri_jax": __version__, "numpy": np.__version__},
    }
    part.write_text(json.dumps(told, indent=2) + "\n")
    part.replace(out / "memorisation.json")
