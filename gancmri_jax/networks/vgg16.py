"""VGG16 (Simonyan & Zisserman 2015) up to its last convolution, as perceptual distances read it."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from gancmri_jax.networks.conv_relu import Kernel, add_bias_relu, for_channels
from gancmri_jax.ops.conv import conv
from gancmri_jax.ops.pool import max_pool

# Channels of each stage's convolutions; a maximum over 2×2 pixels stands before all but the first.
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))

# ImageNet's mean and standard deviation of red, green and blue, on the scale of [−1, 1].
MEAN = (-0.030, -0.088, -0.188)
STD = (0.458, 0.448, 0.450)


class VGG16(nn.Module):
    """images [n h w c] in [−1, 1], of 3 channels or of 1 for grey → five maps of features.

    The maps are relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3, each at half the resolution of the
    one before.
    """

    @nn.compact
    def __call__(self, images: Float[Array, "n h w c"]) -> tuple[Float[Array, "n _ _ _"], ...]:
        maps = []
        x = images
        for stage, widths in enumerate(STAGES, start=1):
            if stage > 1:
                x = max_pool(x, (2, 2), (2, 2))
            for index, width in enumerate(widths, start=1):
                first = stage == index == 1
                kernel, bias = Kernel(
                    (3, 3), 3 if first else x.shape[-1], width, name=f"conv{stage}_{index}"
                )()
                x = _normalised_conv(x, kernel) if first else conv(x, kernel, 1, 1)
                x = add_bias_relu(x, bias)
            maps.append(x)
        return tuple(maps)


def _normalised_conv(
    images: Float[Array, "n h w c"], kernel: Float[Array, "3 3 3 o"]
) -> Float[Array, "n h w o"]:
    """Convolve (images − mean) / std.

    Padding is zero after normalisation, so that the mean is no constant at the border: it is
    convolved too, as one more channel, of ones.
    """
    scaled = kernel / jnp.asarray(STD)[None, None, :, None]
    shift = jnp.sum(scaled * -jnp.asarray(MEAN)[None, None, :, None], axis=2, keepdims=True)
    kernel = jnp.concatenate([for_channels(scaled, images.shape[-1]), shift], axis=2)
    ones = jnp.ones_like(images[..., :1])
    return conv(jnp.concatenate([images, ones], axis=-1), kernel.astype(images.dtype), 1, 1)
