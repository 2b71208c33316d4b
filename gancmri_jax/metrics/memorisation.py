"""Does a model copy its training frames? Distances to the nearest one, against held-out frames'.

A generated frame that lies nearer to some training frame than held-out frames of other hearts do
is suspect; and where training frames lie nearer to generated ones than held-out frames do, an
attacker can tell who was in the training set.
"""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.video_file import tile, write_png
from gancmri_jax.errors import InputError
from gancmri_jax.metrics.neighbours import nearest
from gancmri_jax.version import __version__

Frames = UInt8[np.ndarray, "n h w"]
AnyFrames = UInt8[np.ndarray, "_ _ _"]  # sets differ in number; that sizes agree is checked
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
        closest: The closest pairs: generated frames, and the training frame nearest to each.
    """

    space: str
    nearest_fake: float
    nearest_held_out: float
    share_below: float
    membership_auc: float
    closest: UInt8[np.ndarray, "2 pairs h w"]

    def __str__(self) -> str:
        return (
            f"{self.space}: {100 * self.share_below:.1f} % of generated frames are nearer to a "
            f"training frame than 99 % of held-out ones are (about 1 % expected), medians "
            f"{self.nearest_fake:.4g} and {self.nearest_held_out:.4g}; membership AUC "
            f"{self.membership_auc:.3f}"
        )

    def as_json(self) -> dict[str, Any]:
        """Return all but the frames."""
        told = dataclasses.asdict(self)
        del told["closest"]
        return told


def audit_memorisation(
    train: Callable[[], Iterable[AnyFrames]],
    held_out: AnyFrames,
    fake: AnyFrames,
    spaces: dict[str, Space],
) -> list[Memorisation]:
    """Look for copies in each space, among all training frames.

    Args:
        train: Gives the frames that the model was trained on, batch by batch, each time anew: there
            may be more of them than memory holds.
        held_out: Frames of other subjects.
        fake: Generated frames.
        spaces: Name to features, distances between which are Euclidean.

    Raises:
        InputError: Sizes differ, or there are too few held-out frames for a first percentile.
    """
    if len(held_out) < 100 / _PERCENTILE:
        raise InputError(f"the held-out 1st percentile needs 100 frames, there are {len(held_out)}")
    return [_audit_in(name, space, train(), held_out, fake) for name, space in spaces.items()]


def _audit_in(
    name: str, space: Space, train: Iterable[AnyFrames], held_out: AnyFrames, fake: AnyFrames
) -> Memorisation:
    of_fake, of_held_out = space(fake), space(held_out)
    fake_to_train = np.full(len(fake), np.inf)
    held_out_to_train = np.full(len(held_out), np.inf)
    copied = np.zeros_like(fake)
    members = []
    for batch in train:
        if batch.shape[1:] != fake.shape[1:] or batch.shape[1:] != held_out.shape[1:]:
            sizes = sorted({x.shape[1:] for x in (batch, fake, held_out)})
            raise InputError(f"frames must be of one size, are of {sizes}")
        of_batch = space(batch)
        distances, index = nearest(of_fake, of_batch)
        nearer = distances < fake_to_train
        fake_to_train[nearer], copied[nearer] = distances[nearer], batch[index[nearer]]
        held_out_to_train = np.minimum(held_out_to_train, nearest(of_held_out, of_batch)[0])
        members.append(nearest(of_batch, of_fake)[0])
    limit = np.percentile(held_out_to_train, _PERCENTILE)
    others, _ = nearest(of_held_out, of_fake)
    closest = np.argsort(fake_to_train, kind="stable")[:PAIRS]
    return Memorisation(
        space=name,
        nearest_fake=float(np.median(fake_to_train)),
        nearest_held_out=float(np.median(held_out_to_train)),
        share_below=float((fake_to_train < limit).mean()),
        membership_auc=auc(-np.concatenate(members), -others),
        closest=np.stack([fake[closest], copied[closest]]),
    )


def auc(positive: Float[np.ndarray, "n"], negative: Float[np.ndarray, "m"]) -> float:
    """Return the chance that a positive's value exceeds a negative's, ties counted half."""
    from sklearn.metrics import roc_auc_score  # slow to import

    values = np.concatenate([positive, negative])
    return float(roc_auc_score(np.arange(len(values)) < len(positive), values))


def pixels(frames: Frames) -> Float[np.ndarray, "n d"]:
    """Return frames as vectors whose distance is the root mean square difference in grey levels."""
    flat = frames.reshape(len(frames), -1).astype(np.float32)
    return flat / np.float32(flat.shape[1] ** 0.5)


def write_audit(out: pathlib.Path, results: list[Memorisation], protocol: dict[str, Any]) -> None:
    """Write `memorisation.json`, and the closest pairs: generated above, training below.

    `protocol` says, JSON-like, what was compared.
    """
    for result in results:
        generated, copied = result.closest
        picture = tile(np.concatenate([generated, copied]), columns=len(generated))
        write_png(out / f"closest_{result.space}.png", picture)
    told = {
        "spaces": [result.as_json() for result in results],
        **protocol,
        "versions": {"gancmri_jax": __version__, "numpy": np.__version__},
    }
    with atomic_write(out / "memorisation.json") as part:
        part.write_text(json.dumps(told, indent=2) + "\n")
