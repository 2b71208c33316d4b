"""The StyleGAN2 discriminator (Karras et al. 2020): residual blocks down to one logit."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from gancmri_jax.networks.layers import (
    Conv,
    Dense,
    at_least_float32,
    block_resolutions,
    clamp,
    num_channels,
)
from gancmri_jax.ops.activation import append_minibatch_std, leaky_relu


class Discriminator(nn.Module):
    """images [n h w c] → logits [n]; large means real.

    Attributes:
        resolution: Height and width of the images, a power of two.
        channel_base, channel_max: As in the generator.
        mbstd_group: Images per group of the minibatch standard deviation.
        dtype: What the convolutions compute in; parameters and logits are float32.
        clamp: What activations are kept within, or None.
    """

    resolution: int = 256
    channel_base: int = 32768
    channel_max: int = 512
    mbstd_group: int = 4
    dtype: jnp.dtype = jnp.float32
    clamp: float | None = None

    @nn.compact
    def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, "n"]:
        def width(res: int) -> int:
            return num_channels(res, self.channel_base, self.channel_max)

        def active(x: Float[Array, "..."]) -> Float[Array, "..."]:
            return clamp(leaky_relu(x), self.clamp)

        x = images.astype(self.dtype)
        x = active(Conv(width(self.resolution), size=1, name="fromrgb")(x))
        for res in reversed(block_resolutions(self.resolution)[1:]):
            out = width(res // 2)
            skip = Conv(out, size=1, down=True, use_bias=False, name=f"b{res}_skip")(x)
            x = active(Conv(width(res), name=f"b{res}_conv0")(x))
            x = active(Conv(out, down=True, name=f"b{res}_conv1")(x))
            x = (x + skip) * 0.5**0.5
        x = append_minibatch_std(at_least_float32(x), self.mbstd_group)
        x = leaky_relu(Conv(width(4), name="b4_conv")(x))
        x = x.reshape(len(x), -1)  # [n 4·4·c]
        x = leaky_relu(Dense(width(4), name="b4_fc")(x))
        return Dense(1, name="b4_out")(x)[:, 0]
