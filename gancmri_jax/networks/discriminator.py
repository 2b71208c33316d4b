"""The StyleGAN2 discriminator (Karras et al. 2020): residual blocks down to one logit."""

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from gancmri_jax.networks.layers import Conv, Dense
from gancmri_jax.networks.residual import residual_trunk
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
    dtype: DTypeLike = jnp.float32
    clamp: float | None = None

    @nn.compact
    def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, "n"]:
        x = residual_trunk(
            images,
            resolution=self.resolution,
            rgb_size=1,
            channel_base=self.channel_base,
            channel_max=self.channel_max,
            dtype=self.dtype,
            limit=self.clamp,
        )
        width = x.shape[-1]
        x = append_minibatch_std(x, self.mbstd_group)
        x = leaky_relu(Conv(width, name="b4_conv")(x))
        x = x.reshape(len(x), -1)  # [n 4·4·c]
        x = leaky_relu(Dense(width, name="b4_fc")(x))
        return Dense(1, name="b4_out")(x)[:, 0]
