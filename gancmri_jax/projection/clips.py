"""Clips, what a search is for: a frame, or the frames of a beat, and what is found of each."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from gancmri_jax.networks.generator import Noise


class Clips(NamedTuple):
    """What is searched for.

    Attributes:
        targets: Frames in [−1, 1].
        basis: What each wave adds at each frame; without waves, zero wide.
        weights: Of the frames in their clip's distance: they sum to one, and padding has 0.
        keys: Of the clips' randomness.
    """

    targets: Float[Array, "group v t h w c"]
    basis: Float[Array, "group v t k"]
    weights: Float[Array, "group v t"]
    keys: PRNGKeyArray


def single_frames(targets: Float[Array, "n h w c"], keys: PRNGKeyArray) -> Clips:
    """Return a clip for each image."""
    alone = (1, len(targets), 1)
    return Clips(
        targets[None, :, None],
        basis=jnp.zeros((*alone, 0), targets.dtype),
        weights=jnp.ones(alone, targets.dtype),
        keys=keys,
    )


class Variables(NamedTuple):
    """What the search moves; with one row, all rows of ws are alike."""

    identity: Float[Array, "v rows w_dim"]
    waves: Float[Array, "v k rows w_dim"]
    noise: Noise

    @classmethod
    def of_frames(cls, identity: Float[Array, "n rows w_dim"], noise: Noise) -> "Variables":
        """Return those of single frames, which have no waves."""
        waves = jnp.zeros((len(identity), 0, *identity.shape[1:]), identity.dtype)
        return cls(identity, waves, noise)


class Found(NamedTuple):
    """What the search found, on the host.

    Attributes:
        ws: Codes of all frames, padding and all.
        noise: Noise maps of the clips, exact in float16.
        distances: Of the rendering of `ws` with `noise` from each frame.
        steps: Steps that each clip took.
        curve: Each clip's distance at every look; NaN after it stopped.
    """

    ws: Float[np.ndarray, "v t num_ws w_dim"]
    noise: tuple[Float[np.ndarray, "v h w"], ...]
    distances: Float[np.ndarray, "v t"]
    steps: Int[np.ndarray, "v"]
    curve: Float[np.ndarray, "v look"]
