"""Chance: a subject's draws by name, so that one more draw changes none of the others."""

import zlib

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray


class Chance:
    """Random numbers of one subject; each name has a stream of its own."""

    def __init__(self, key: PRNGKeyArray) -> None:
        self._key = key

    def _named(self, name: str) -> PRNGKeyArray:
        return jax.random.fold_in(self._key, zlib.crc32(name.encode()))

    def uniform(
        self, name: str, low: float = -1.0, high: float = 1.0, shape: tuple[int, ...] = ()
    ) -> Float[Array, "..."]:
        """Draw evenly between two bounds."""
        return jax.random.uniform(self._named(name), shape, minval=low, maxval=high)

    def normal(self, name: str, mean: float, sd: float) -> Float[Array, ""]:
        """Draw from a normal distribution, of which 2 standard deviations to each side are kept."""
        return mean + sd * jax.random.truncated_normal(self._named(name), -2.0, 2.0)

    def happens(self, name: str, probability: Float[Array, ""] | float) -> Bool[Array, ""]:
        """Say yes with a probability."""
        return jax.random.uniform(self._named("whether " + name)) < probability

    def one_of(self, name: str, weights: tuple[float, ...]) -> Array:
        """Draw an index with these weights."""
        return jax.random.categorical(self._named(name), jnp.log(jnp.asarray(weights)))
