"""Chance: a subject's draws by name, so that one more draw changes none of the others."""

import math
import zlib

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

_BLOCK = 1 << 16  # random numbers of a subject, of which each name takes some


class Chance:
    """Random numbers of one subject; each name has a place of its own in one block of them.

    One block compiles in a fraction of the time of a generator for each name.
    """

    def __init__(self, key: PRNGKeyArray) -> None:
        self._block = jax.random.uniform(key, [_BLOCK])
        self._taken: dict[int, str] = {}

    def uniform(
        self, name: str, low: float = -1.0, high: float = 1.0, shape: tuple[int, ...] = ()
    ) -> Float[Array, "..."]:
        """Draw evenly between two bounds."""
        count = math.prod(shape)
        first = zlib.crc32(name.encode()) % (_BLOCK - count)
        for place in range(first, first + count):
            owner = self._taken.setdefault(place, name)
            assert owner == name, f"{name!r} would share a number with {owner!r}; rename it"
        numbers = self._block[first : first + count].reshape(shape)
        return low + (high - low) * numbers

    def normal(self, name: str, mean: float, sd: float) -> Float[Array, ""]:
        """Draw from a normal distribution, cut 2 standard deviations to each side."""
        tail = 0.5 * math.erfc(2 / math.sqrt(2))
        return mean + sd * jax.scipy.special.ndtri(self.uniform(name, tail, 1 - tail))

    def happens(self, name: str, probability: Float[Array, ""] | float) -> Bool[Array, ""]:
        """Say yes with a probability."""
        return self.uniform("whether " + name, 0, 1) < probability

    def one_of(self, name: str, weights: tuple[float, ...]) -> Int[Array, ""]:
        """Draw an index with these weights."""
        upto = jnp.cumsum(jnp.asarray(weights))
        return jnp.sum(self.uniform(name, 0, 1) * upto[-1] >= upto[:-1])
