"""Hearts that stand in a study twice, under one name or two.

In two splits they would make a model look better on the held-out hearts than it is.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float

# Of both vectors of `likeness`. Measured: the same cine after H.264, noise, another window, every
# second frame, a crop of two pixels all round has 0.973 and more; 120 phantom hearts, and slices
# of one heart 5 mm apart, have 0.94 and less in one of the two.
SAME_HEART = 0.97
BLOCK = 1024

Pair = tuple[int, int]


def find_duplicates(
    hashes: Sequence[str], likenesses: Float[np.ndarray, "n 2 pixels"]
) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs with equal pixels, and those further ones that look and move alike.

    Args:
        hashes: Of the pixels of each cine.
        likenesses: What `likeness` says of each.
    """
    first: dict[str, int] = {}
    for i, digest in enumerate(hashes):
        first.setdefault(digest, i)
    equal = [(first[digest], i) for i, digest in enumerate(hashes) if first[digest] != i]
    alike = []
    for start in range(0, len(likenesses), BLOCK):
        block = likenesses[start : start + BLOCK]
        products = [block[:, k] @ likenesses[:, k].T for k in range(2)]
        for i, j in np.argwhere(np.minimum(*products) > SAME_HEART):
            if start + i < j and hashes[start + i] != hashes[j]:
                alike.append((int(start + i), int(j)))
    return equal, alike


def one_heart(names: Iterable[str], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return, for each name, the first of the names that are the same heart, by chains of pairs."""
    heart = {name: name for name in names}

    def first(name: str) -> str:
        while heart[name] != name:
            name = heart[name]
        return name

    for a, b in pairs:
        low, high = sorted((first(a), first(b)))
        heart[high] = low
    return {name: first(name) for name in heart}
