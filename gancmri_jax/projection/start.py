"""Where a search begins: at the mean w, or at the guess of the model's encoder."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gancmri_jax.errors import InputError
from gancmri_jax.model.encoder import Encoder
from gancmri_jax.model.model import Model
from gancmri_jax.projection.settings import Settings, Start


class WStatistics(NamedTuple):
    """Mean of w [w_dim], and the root mean square of ‖w − mean‖, a scalar."""

    mean: Float[Array, "w_dim"]
    deviation: Float[Array, ""]


def w_statistics(model: Model, num_samples: int = 10_000, seed: int = 123) -> WStatistics:
    """Measure w's distribution from samples of z."""
    z = jax.random.normal(jax.random.key(seed), (num_samples, model.z_dim))
    w = model.map_w(z)
    mean = jnp.mean(w, axis=0)
    return WStatistics(mean, jnp.sqrt(jnp.mean(jnp.sum(jnp.square(w - mean[None]), axis=1))))


def best_start(model: Model) -> Start:
    """Return where a search does best to begin: the encoder's guess, where the model has one."""
    return "mean" if model.encoder is None else "encoder"


def start_w(
    model: Model,
    targets: Float[Array, "n h w c"],
    settings: Settings,
    statistics: WStatistics,
) -> Float[Array, "n w_dim"]:
    """Return the w at which the search for each image begins.

    Raises:
        InputError: The model has no encoder to start from.
    """
    if settings.start == "encoder":
        return _encoder(model)(targets)
    return jnp.repeat(statistics.mean[None], len(targets), axis=0)


def start_provenance(model: Model, settings: Settings) -> dict[str, str]:
    """Return what the start of a search depends on besides its name.

    Raises:
        InputError: The model has no encoder to start from.
    """
    return {"encoder": _encoder(model).fingerprint} if settings.start == "encoder" else {}


def _encoder(model: Model) -> Encoder:
    if model.encoder is None:
        raise InputError(
            "--start encoder: the model has no encoder; train one by `gancmri train-encoder`, or "
            "start from the mean"
        )
    return model.encoder
