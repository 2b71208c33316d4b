"""Resampling by two with StyleGAN2's filter, [1, 3, 3, 1] along rows and columns.

StyleGAN2 (Karras et al. 2020), appendix B, after Zhang 2019: filtering before every decimation
and after every zero insertion keeps aliases out.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

_TAPS = (1 / 8, 3 / 8, 3 / 8, 1 / 8)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def fir(x: Float[Array, "n h w c"], padding: tuple[int, int]) -> Float[Array, "n oh ow c"]:
    """Filter with the normalised kernel, zeros padded (before, after) each axis."""
    low, high = padding
    x = jnp.pad(x, ((0, 0), (low, high), (low, high), (0, 0)))
    return lax.platform_dependent(x, cuda=_fir_at_once, default=_fir_by_axes)


def _fir_by_axes(x: Float[Array, "n h w c"]) -> Float[Array, "n h-3 w-3 c"]:
    height, width = x.shape[1] - 3, x.shape[2] - 3
    x = functools.reduce(jnp.add, (tap * x[:, i : i + height] for i, tap in enumerate(_TAPS)))
    return functools.reduce(jnp.add, (tap * x[:, :, i : i + width] for i, tap in enumerate(_TAPS)))


def _fir_at_once(x: Float[Array, "n h w c"]) -> Float[Array, "n h-3 w-3 c"]:
    """Filter as one expression of 16 taps: one kernel, which reads and writes images once."""
    height, width = x.shape[1] - 3, x.shape[2] - 3
    total = jnp.zeros((), jnp.promote_types(x.dtype, jnp.float32))
    for i, by_row in enumerate(_TAPS):
        for j, by_column in enumerate(_TAPS):
            total = total + by_row * by_column * x[:, i : i + height, j : j + width].astype(
                total.dtype
            )
    return total.astype(x.dtype)


def _fir_fwd(x, padding):
    return fir(x, padding), None


def _fir_bwd(padding, _, y):
    # The kernel is symmetric: its transpose is itself with complementary padding.
    low, high = padding
    return (fir(y, (3 - low, 3 - high)),)


fir.defvjp(_fir_fwd, _fir_bwd)


def upsample(x: Float[Array, "n h w c"]) -> Float[Array, "n 2*h 2*w c"]:
    """Double the resolution: insert zeros, filter, gain 4."""
    zero = jnp.zeros((), x.dtype)
    x = lax.pad(x, zero, ((0, 0, 0), (0, 1, 1), (0, 1, 1), (0, 0, 0)))
    return 4 * fir(x, (2, 1))


def downsample(x: Float[Array, "n h w c"]) -> Float[Array, "n h//2 w//2 c"]:
    """Halve the resolution: filter, keep every second sample."""
    return fir(x, (1, 1))[:, ::2, ::2]
