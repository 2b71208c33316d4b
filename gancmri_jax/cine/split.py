"""Training, validation and test subjects."""

import hashlib
from collections.abc import Iterable
from typing import Literal

Split = Literal["train", "validation", "test"]

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
FEWEST_SUBJECTS = 10  # below, all are for training


def split_subjects(subjects: Iterable[str], seed: int) -> dict[str, Split]:
    """Assign whole subjects to splits, 80-10-10, or all to `train` where there are fewer than 10.

    The order comes from a hash of seed and name alone, not from the order of the subjects nor
    from a random generator that a library may change; a subject more moves few others.
    """
    shuffled = sorted(
        set(subjects), key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest()
    )
    held_out = round(len(shuffled) / 10) if len(shuffled) >= FEWEST_SUBJECTS else 0
    return {
        name: "validation" if i < held_out else "test" if i < 2 * held_out else "train"
        for i, name in enumerate(shuffled)
    }
