"""Phantoms without end beside the records: each batch takes some that are rendered meanwhile.

Eighty in a hundred subjects are of the normal population, twenty of the clinical one.

Held-out phantoms: training draws its subjects of seeds from `FIRST_SEED` = 2³¹ on, and of no other.
So every phantom of a smaller seed, which is what `gancmri phantom` writes unless it is given a
larger one, is a heart that no training on phantoms without end has seen.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8
from ml_collections import ConfigDict

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.phantom.pool import filled, put
from gancmri_jax.cine.phantom.population import Population, draw
from gancmri_jax.cine.phantom.render import render_frames
from gancmri_jax.cine.preprocess import preprocess
from gancmri_jax.errors import InputError
from gancmri_jax.training.config import option

FIRST_SEED = 2**31
SUBJECTS = 64  # in the pool
FRAMES = 25  # of a beat
_SHOWN = 2  # how often a frame is drawn, in the mean, before its subject leaves the pool
_HOSTS = 2**12  # at most, each with a seed of its own


class Phantoms:
    """The phantoms of a process's part of each batch.

    What a step gets depends on the configuration's seed, the process and the step's number alone.
    """

    def __init__(
        self, config: ConfigDict, process: tuple[int, int] = (0, 1), subjects: int = SUBJECTS
    ) -> None:
        """Render nothing yet.

        Args:
            config: Its `phantoms_share` says how many there are.
            process: Index and number of processes.
            subjects: How many the pool holds.
        """
        self.count = phantoms_a_batch(config, process[1])
        self._seed = training_seed(config.seed, process[0])
        self._process, self._size, self._subjects = process[0], config.resolution, subjects
        self._steps = -(-_SHOWN * FRAMES // self.count)  # between a new subject and the next
        self._pool: jax.Array | None = None
        self._newest = -1

    def mixed(
        self, frames: UInt8[np.ndarray, "n h w 1"], step: int
    ) -> UInt8[np.ndarray, "m h w 1"]:
        """Return recorded frames and the step's phantoms, in a random order."""
        pool = self._at(step)
        rng = np.random.default_rng([self._seed, self._process, step])
        who, when = (
            rng.integers(self._subjects, size=self.count),
            rng.integers(FRAMES, size=self.count),
        )
        drawn = np.asarray(pool[who, when])[..., None]
        return rng.permutation(np.concatenate([frames, drawn]))

    def _at(self, step: int) -> jax.Array:
        """Return the pool of a step, rendering what it lacks."""
        newest = step // self._steps + self._subjects - 1
        if self._pool is None or not self._newest <= newest < self._newest + self._subjects:
            shape = (self._subjects, FRAMES, self._size, self._size)
            first = newest - self._subjects + 1
            self._pool = filled(jnp.zeros(shape, jnp.uint8), first, self._subjects, self._render)
            self._newest = newest
        while self._newest < newest:
            self._newest += 1
            new = self._render(self._newest)
            self._pool = put(self._pool, new, self._newest % self._subjects)
        return self._pool

    def _render(self, index: int) -> jax.Array:
        return jnp.asarray(rendered(self._seed, index, self._size))


def phantoms_a_batch(config: ConfigDict, processes: int = 1) -> int:
    """Return how many phantoms a process's part of a batch has.

    Raises:
        InputError: They would be none, or all.
    """
    share = option(config, "phantoms_share")
    part = config.batch_size // processes
    count = round(share * part)
    if share and not 0 < count < part:
        raise InputError(
            f"config.phantoms_share {share} of the {part} images of a process is {count}; give it "
            "at least one phantom and one recorded frame"
        )
    return count


def training_seed(seed: int, process: int = 0) -> int:
    """Return the seed of the subjects that a run of this seed draws: `FIRST_SEED` or above."""
    return FIRST_SEED + (seed * _HOSTS + process) % FIRST_SEED


def population_of(index: int) -> Population:
    """Return the population of a subject: every fifth is clinical."""
    return "clinical" if index % 5 == 4 else "normal"


def rendered(seed: int, index: int, size: int) -> UInt8[np.ndarray, "t h w"]:
    """Render a subject's beat and prepare it as records are.

    It is subject `index` of `gancmri phantom` with this seed and its population.
    """
    anatomy, noise = jax.random.split(jax.random.fold_in(jax.random.key(seed), index))
    pixels, _ = render_frames(noise, draw(anatomy, population_of(index)), size, FRAMES)
    return preprocess(Cine(np.asarray(pixels), (1.0, 1.0), 20.0, f"phantom {index}"), size).pixels
