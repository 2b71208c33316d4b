"""Numbers that are read from a code: linear functions on latent space, learned from hearts."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gancmri_jax.latents.ridge import ridge


class Linear(NamedTuple):
    """A number that grows along one direction.

    Attributes:
        zero: A code where it is 0.
        gradient: How it grows.
    """

    zero: Float[Array, "num_ws w_dim"]
    gradient: Float[Array, "num_ws w_dim"]

    def of(self, ws: Float[Array, "num_ws w_dim"]) -> Float[Array, ""]:
        """Return the number of a code."""
        return jnp.sum(self.gradient * (ws - self.zero))


def fit_linear(
    ws: Float[Array | np.ndarray, "n num_ws w_dim"],
    numbers: Float[np.ndarray, "n"],
    rows_a_heart: int = 1,
) -> tuple[Linear, float]:
    """Learn a number from codes, by ridge regression.

    Args:
        ws: Codes.
        numbers: What each has.
        rows_a_heart: Codes that belong together, one heart's after another's.

    Returns:
        The function, and its cross-validated R² over hearts; where that is 0 or less the function
        is worth nothing.
    """
    ws = np.asarray(ws)
    num_ws = ws.shape[1]
    rows = 1 if (ws == ws[:, :1]).all() else num_ws  # where all are equal, one stands for them
    x = ws[:, :rows].astype(np.float64).reshape(len(ws), -1)
    y = np.asarray(numbers, np.float64)
    centre, mean = x.mean(axis=0), y.mean()
    x = x - centre
    found = ridge(lambda: iter([(x, (y - mean)[:, None])]), len(x), rows_a_heart)
    gradient = found.slope[:, 0]
    zero = centre - mean * gradient / (np.square(gradient).sum() or 1.0)
    shape = (rows, ws.shape[2])
    parts = (zero.reshape(shape), gradient.reshape(shape) * rows / num_ws)
    return Linear(
        *(jnp.asarray(np.broadcast_to(part, ws.shape[1:]), jnp.float32) for part in parts)
    ), found.explained
