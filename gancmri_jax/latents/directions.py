"""Directions in latent space along which a phenotype grows (GANcMRI, section 3.4)."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

_LEAST_EIGENVALUE = 0.05  # eigenvalue of unit directions' products below which they are all but one


def high_minus_low(
    ws: Float[Array, "s num_ws w_dim"], values: Float[np.ndarray, "s"]
) -> Float[Array, "num_ws w_dim"]:
    """Return the mean w of subjects above the mean value minus that of subjects below it.

    Raises:
        ValueError: All values are alike, so that no subject is above or below.
    """
    high, low = _sides(values)
    weights = high / high.sum() - low / low.sum()
    return _weighted_sum(ws, jnp.asarray(weights, jnp.float32))


def regression(
    ws: Float[Array, "s num_ws w_dim"], values: Float[np.ndarray, "s"]
) -> Float[Array, "num_ws w_dim"]:
    """Return the slope of w over the value, as far as from the mean low to the mean high value.

    Subjects far from the mean weigh more than those beside it, which `high_minus_low` counts
    alike; the length is the same, so that an amount means the same.

    Raises:
        ValueError: All values are alike.
    """
    high, low = _sides(values)
    deviations = values - values.mean()
    distance = values[high].mean() - values[low].mean()
    weights = deviations * distance / np.square(deviations).sum()  # their sum is 0
    return _weighted_sum(ws, jnp.asarray(weights, jnp.float32))


@jax.jit
def _weighted_sum(
    ws: Float[Array, "s num_ws w_dim"], weights: Float[Array, "s"]
) -> Float[Array, "num_ws w_dim"]:
    return jnp.sum(weights[:, None, None] * ws, axis=0)


def orthogonalised(
    directions: Float[Array, "k num_ws w_dim"],
) -> Float[Array, "k num_ws w_dim"]:
    """Return the directions at right angles that are nearest to these, each as long as it was.

    None comes before another (Löwdin 1950), unlike in Gram and Schmidt's way.

    Raises:
        ValueError: Two directions, or combinations of more, are all but the same.
    """
    vectors = directions.reshape(len(directions), -1)
    lengths = jnp.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / lengths
    values, axes = jnp.linalg.eigh(jnp.matmul(unit, unit.T, precision="highest"))
    if values[0] < _LEAST_EIGENVALUE:
        raise ValueError("directions that are all but the same cannot be made orthogonal")
    root = jnp.matmul(axes / jnp.sqrt(values)[None], axes.T, precision="highest")
    upright = jnp.matmul(root, unit, precision="highest")
    return (upright * lengths).reshape(directions.shape)


def _sides(values: Float[np.ndarray, "s"]) -> tuple[Bool[np.ndarray, "s"], Bool[np.ndarray, "s"]]:
    mean = values.mean() if len(values) else 0.0
    high, low = values > mean, values < mean
    if not (high.any() and low.any()):
        raise ValueError("all values are alike; a direction needs high and low ones")
    return high, low
