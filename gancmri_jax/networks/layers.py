"""Layers at equalised learning rate: N(0, 1) parameters, scaled as they are used.

Progressive GAN (Karras et al. 2018), section 4.1: with the He constant applied at run time, Adam's
steps mean the same in every layer.
"""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from gancmri_jax.ops.conv import conv
from gancmri_jax.ops.resample import downsample, fir


class Dense(nn.Module):
    """A fully connected layer: x · kernel · (lr_multiplier / √fan_in) + bias · lr_multiplier."""

    features: int
    lr_multiplier: float = 1.0
    bias_init: float = 0.0

    @nn.compact
    def __call__(self, x: Float[Array, "n i"]) -> Float[Array, "n o"]:
        init = nn.initializers.normal(1 / self.lr_multiplier)
        kernel = self.param("kernel", init, (x.shape[-1], self.features))
        start = nn.initializers.constant(self.bias_init / self.lr_multiplier)
        bias = self.param("bias", start, (self.features,))
        gain = self.lr_multiplier / x.shape[-1] ** 0.5
        # Exactly: these are small, and on a TPU a product's default precision is bfloat16.
        y = jnp.matmul(x, kernel * gain, precision="highest")
        return y + (bias * self.lr_multiplier)[None]


class Conv(nn.Module):
    """A convolution that keeps the resolution, or halves it: filter, then stride."""

    features: int
    size: int = 3
    down: bool = False
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n oh ow o"]:
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.normal(1), shape)
        kernel = kernel / (self.size**2 * x.shape[-1]) ** 0.5
        if self.down and self.size == 1:
            x = conv(downsample(x), kernel, 1, 0)
        elif self.down:
            x = conv(fir(x, (2, 2)), kernel, 2, 0)
        else:
            x = conv(x, kernel, 1, self.size // 2)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            x = x + bias[None, None, None].astype(x.dtype)
        return x


def clamp(x: Float[Array, "..."], limit: float | None) -> Float[Array, "..."]:
    """Keep activations within ±limit, which reduced precision may need; None leaves them."""
    return x if limit is None else jnp.clip(x, -limit, limit)


def num_channels(resolution: int, channel_base: int, channel_max: int) -> int:
    """Return the width of the layers at a resolution: channel_base / resolution, capped."""
    return min(channel_base // resolution, channel_max)


def block_resolutions(resolution: int) -> list[int]:
    """Return 4, 8, …, resolution.

    Raises:
        ValueError: The resolution is no power of two from 8 on.
    """
    if resolution < 8 or resolution & (resolution - 1):
        raise ValueError(f"resolution must be a power of two from 8 on, got {resolution}")
    return [1 << bits for bits in range(2, resolution.bit_length())]


def at_least_float32(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Leave reduced precision."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
