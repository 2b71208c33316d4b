"""Style-modulated convolution, StyleGAN2 (Karras et al. 2020) equations 1 and 3.

Scaling the images by the style, convolving with shared weights and scaling by the demodulation
factor equals convolving each image with its own modulated weights, without grouped convolution.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gancmri_jax.ops.conv import conv, conv_transpose
from gancmri_jax.ops.resample import fir


def modulated_conv(
    x: Float[Array, "n h w i"],
    kernel: Float[Array, "k k i o"],
    style: Float[Array, "n i"],
    *,
    up: bool = False,
    demodulate: bool = True,
) -> Float[Array, "n oh ow o"]:
    """Convolve each image with `kernel` scaled by its style; `up` doubles the resolution.

    Computes in the dtype of `x`; the demodulation factor is found in the dtype of `style`, exactly.
    """
    y = x * style[:, None, None, :].astype(x.dtype)
    if up:
        # Transposed convolution, then filter; the gain makes up for the inserted zeros.
        y = conv_transpose(y, kernel.swapaxes(2, 3), 2, 0)
        y = 4 * fir(y, (1, 1))
    else:
        y = conv(y, kernel, 1, kernel.shape[0] // 2)
    if demodulate:
        y = y * demodulation(kernel, style)[:, None, None, :].astype(x.dtype)
    return y


def demodulation(
    kernel: Float[Array, "k k i o"], style: Float[Array, "n i"]
) -> Float[Array, "n o"]:
    """Return the factor that gives every output channel unit norm, equation 3."""
    energy = jnp.sum(jnp.square(kernel), axis=(0, 1))  # [i o]
    return lax.rsqrt(jnp.matmul(jnp.square(style), energy, precision="highest") + 1e-8)
