"""Who is shown what, and in which order: the design of a blinded reader study.

GANcMRI's Figures 6 and 7: an item is a pair of frames, one real, or a real video beside one of
each synthetic kind. Every reader sees all items once and some of them twice, in an order and with
sides of his own. All of it is drawn from one seed, independently, so that what was shown tells
nothing of what comes.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.optimize
from jaxtyping import Bool

from gancmri_jax.errors import InputError

LEAST_BETWEEN = 10  # items between an item and its repeat, where there are enough


@dataclasses.dataclass(frozen=True)
class Presentation:
    """One screen.

    Attributes:
        item: Which item.
        repeat: Whether the reader has seen it before.
        order: Which of the item's stimuli stands at each place; the real one is number 0.
    """

    item: int
    repeat: bool
    order: tuple[int, ...]


def schedule(
    num_items: int, num_repeats: int, num_shown: int, rng: np.random.Generator
) -> list[Presentation]:
    """Draw a reader's screens, of `num_shown` stimuli each.

    A repeat comes after its item, with ten others between, or as many as there are items that are
    not repeated.

    Raises:
        InputError: More repeats than items.
    """
    if num_repeats > num_items:
        raise InputError(f"--repeats {num_repeats} is more than the {num_items} items there are")
    between = min(LEAST_BETWEEN, num_items - num_repeats)
    screens = [(int(item), False) for item in rng.permutation(num_items)]
    for item in rng.permutation([item for item, _ in screens[: num_items - between]])[:num_repeats]:
        earliest = screens.index((int(item), False)) + 1 + between
        screens.insert(int(rng.integers(earliest, len(screens) + 1)), (int(item), True))
    return [
        Presentation(item, repeat, tuple(int(i) for i in rng.permutation(num_shown)))
        for item, repeat in screens
    ]


def avoid_same_heart(same: Bool[np.ndarray, "n m"], rng: np.random.Generator) -> list[int]:
    """Draw which of m synthetic videos stands beside each of n real ones, none beside its own.

    Super-resolved videos are of real hearts: seen beside its source, one would give both away.

    Args:
        same: Which synthetic videos are of which real heart; m ≥ n.
        rng: What is drawn from.

    Raises:
        InputError: There is no such order.
    """
    cost = rng.random(same.shape) + same.shape[1] * same
    rows, columns = scipy.optimize.linear_sum_assignment(cost)
    if same[rows, columns].any():
        raise InputError("has no cine left but of the very heart it would be shown beside")
    return [int(column) for column in columns]


def spread_frames(
    num_frames: Sequence[int], count: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Draw `count` different frames of cines, as (cine, frame), from as many cines as there are.

    Raises:
        InputError: There are fewer frames.
    """
    if sum(num_frames) < count:
        raise InputError(f"holds {sum(num_frames)} frames, and {count} different ones are needed")
    left = [[int(frame) for frame in rng.permutation(length)] for length in num_frames]
    drawn: list[tuple[int, int]] = []
    while len(drawn) < count:
        cines = [int(cine) for cine in rng.permutation(len(left)) if left[cine]]
        drawn += [(cine, left[cine].pop()) for cine in cines[: count - len(drawn)]]
    return drawn
