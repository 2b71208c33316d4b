"""Leaky ReLU at unit variance, and the two normalisations of StyleGAN."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

SQRT2 = 2**0.5


def leaky_relu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Leaky ReLU of slope 0.2, times √2 so that unit variance stays about one."""
    return SQRT2 * jax.nn.leaky_relu(x, 0.2)


def normalize_second_moment(z: Float[Array, "n d"]) -> Float[Array, "n d"]:
    """Scale each vector to a mean square of one."""
    return z * lax.rsqrt(jnp.mean(jnp.square(z), axis=-1, keepdims=True) + 1e-8)


def append_minibatch_std(x: Float[Array, "n h w c"], group: int) -> Float[Array, "n h w c+1"]:
    """Append a channel with each group's standard deviation, averaged over all features.

    Groups are strided: image i stands with every (n / group)-th image from it, as in NVIDIA's
    implementation. A batch that `group` does not divide forms groups of the largest size below
    that does.
    """
    n, h, w, c = x.shape
    group = next(size for size in range(min(group, n), 0, -1) if n % size == 0)
    grouped = x.reshape(group, n // group, h, w, c)
    std = jnp.sqrt(jnp.var(grouped, axis=0) + 1e-8)  # [n/group h w c]
    feature = jnp.tile(jnp.mean(std, axis=(1, 2, 3)), group)  # [n]
    feature = jnp.broadcast_to(feature[:, None, None, None], (n, h, w, 1))
    return jnp.concatenate([x, feature.astype(x.dtype)], axis=-1)
