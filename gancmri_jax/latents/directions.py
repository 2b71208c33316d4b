"""Directions in latent space along which a phenotype grows (GANcMRI, section 3.4)."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def high_minus_low(
    ws: Float[Array, "s num_ws w_dim"], values: Float[np.ndarray, "s"]
) -> Float[Array, "num_ws w_dim"]:
    """Return the mean w of subjects above the mean value minus that of subjects below it.

    Raises:
        ValueError: All values are alike, so that no subject is above or below.
    """
    mean = values.mean() if len(values) else 0.0
    high, low = values > mean, values < mean
    if not (high.any() and low.any()):
        raise ValueError("all values are alike; a direction needs high and low ones")
    return jnp.mean(ws[high], axis=0) - jnp.mean(ws[low], axis=0)
