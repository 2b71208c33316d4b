"""Directions in latent space along which a phenotype grows (GANcMRI, section 3.4)."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

_LEAST_EIGENVALUE = 0.05  # eigenvalue of unit directions' products below which they are all but one


def high_minus_low(
    ws: Float[Array | np.ndarray, "s num_ws w_dim"], values: Float[np.ndarray, "s"]
) -> Float[Array, "num_ws w_dim"]:
    """Return the mean w of subjects above the mean value minus that of subjects below it.

    Raises:
        ValueError: All values are alike, so that no subject is above or below.
    """
    return _weighted_sum(ws, high_minus_low_weights(values))


def regression(
    ws: Float[Array | np.ndarray, "s num_ws w_dim"], values: Float[np.ndarray, "s"]
) -> Float[Array, "num_ws w_dim"]:
    """Return the slope of w over the value, as far as from the mean low to the mean high value.

    Subjects far from the mean weigh more than those beside it, which `high_minus_low` counts
    alike; the length is the same, so that an amount means the same.

    Raises:
        ValueError: All values are alike.
    """
    return _weighted_sum(ws, regression_weights(values))


def high_minus_low_weights(values: Float[np.ndarray, "s"]) -> Float[np.ndarray, "s"]:
    """Return what each subject's w is multiplied by in `high_minus_low`.

    Raises:
        ValueError: All values are alike.
    """
    high, low = _sides(values)
    return high / high.sum() - low / low.sum()


def regression_weights(values: Float[np.ndarray, "s"]) -> Float[np.ndarray, "s"]:
    """Return what each subject's w is multiplied by in `regression`; their sum is 0.

    Raises:
        ValueError: All values are alike.
    """
    high, low = _sides(values)
    deviations = values - values.mean()
    distance = values[high].mean() - values[low].mean()
    return deviations * distance / np.square(deviations).sum()


def _weighted_sum(
    ws: Float[Array | np.ndarray, "s num_ws w_dim"], weights: Float[np.ndarray, "s"]
) -> Float[Array, "num_ws w_dim"]:
    found = np.tensordot(weights, np.asarray(ws, np.float64), axes=1)
    return jnp.asarray(found, jnp.float32)


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
