"""Who is shown what, and in which order: the design of a blinded reader study.

GANcMRI's Figures 6 and 7: an item is a pair of frames, one real, or a real video beside one of
each synthetic kind. Every reader sees all items once and some of them twice, in an order and with
sides of his own. All of it is drawn from one seed, independently, so that what was shown tells
nothing of what comes.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

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


def avoid_same_heart(
    real: Sequence[str], synthetic: Sequence[str], rng: np.random.Generator
) -> list[int]:
    """Return an order of synthetic subjects in which none stands beside itself.

    Super-resolved videos are of real hearts: seen beside its source, one would give both away.

    Raises:
        InputError: There is no such order.
    """
    order = [int(i) for i in rng.permutation(len(synthetic))]
    for place, subject in enumerate(real):
        if synthetic[order[place]] != subject:
            continue
        for other in range(len(order)):
            ours, theirs = synthetic[order[other]], synthetic[order[place]]
            beside = real[other] if other < len(real) else None
            if ours != subject and theirs != beside:
                order[place], order[other] = order[other], order[place]
                break
        else:
            raise InputError(
                f"{subject}: is the only heart left to show beside itself; give more cines"
            )
    return order[: len(real)]


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
