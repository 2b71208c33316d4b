"""Which ws are rendered: truncated towards the mean, or mixed from two."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def broadcast_w(w: Float[Array, "*n w_dim"], num_ws: int) -> Float[Array, "*n {num_ws} w_dim"]:
    """Repeat a w on every row: the embedding of W in W+."""
    return jnp.repeat(w[..., None, :], num_ws, axis=-2)


def truncate(
    ws: Float[Array, "*n num_ws w_dim"],
    w_avg: Float[Array, "w_dim"],
    psi: float,
    cutoff: int | None = None,
) -> Float[Array, "*n num_ws w_dim"]:
    """Pull the first `cutoff` rows (all by default) towards the mean: w_avg + psi (w − w_avg).

    Karras et al. 2019, appendix B: psi below one trades variety for typicality.
    """
    mean = w_avg.reshape((1,) * (ws.ndim - 1) + w_avg.shape)
    rows = jnp.arange(ws.shape[-2]) < (ws.shape[-2] if cutoff is None else cutoff)
    rows = rows.reshape((1,) * (ws.ndim - 2) + (-1, 1))
    return jnp.where(rows, mean + psi * (ws - mean), ws)


def mix_styles(
    coarse: Float[Array, "*n num_ws w_dim"],
    fine: Float[Array, "*n num_ws w_dim"],
    cutoff: int | Int[Array, ""],
) -> Float[Array, "*n num_ws w_dim"]:
    """Take the first `cutoff` rows from `coarse`, the others from `fine`."""
    rows = (jnp.arange(coarse.shape[-2]) < cutoff).reshape((1,) * (coarse.ndim - 2) + (-1, 1))
    return jnp.where(rows, coarse, fine)
