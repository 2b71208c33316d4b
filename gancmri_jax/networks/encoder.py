"""A feed-forward encoder, image → w: where a projection can start (Zhu et al. 2016, section 3.1).

A residual network like StyleGAN2's discriminator, narrower, which ends in a code in place of a
logit.
"""

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from gancmri_jax.networks.layers import Dense
from gancmri_jax.networks.residual import residual_trunk
from gancmri_jax.ops.activation import leaky_relu


class ResidualEncoder(nn.Module):
    """images [n h w c] → w [n w_dim].

    Attributes:
        resolution: Height and width of the images, a power of two.
        w_dim: Length of w.
        channel_base, channel_max: Layers at resolution r are min(channel_base / r, channel_max)
            wide.
        hidden: Width of the layer before the last, and so the most directions of w it can tell
            apart.
        dtype: What the convolutions compute in; parameters and w are float32.
        clamp: What activations are kept within, or None.
    """

    resolution: int
    w_dim: int = 512
    channel_base: int = 1024
    channel_max: int = 64
    hidden: int = 128
    dtype: DTypeLike = jnp.float32
    clamp: float | None = None

    @nn.compact
    def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, "n w_dim"]:
        x = residual_trunk(
            images,
            resolution=self.resolution,
            rgb_size=3,
            channel_base=self.channel_base,
            channel_max=self.channel_max,
            dtype=self.dtype,
            limit=self.clamp,
        )
        x = x.reshape(len(x), -1)  # [n 4·4·c]
        x = leaky_relu(Dense(self.hidden, name="hidden")(x))
        return Dense(self.w_dim, name="out")(x)
