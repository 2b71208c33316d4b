"""The I3D network of the Fréchet video distance (Unterthiner et al. 2018).

Carreira & Zisserman's (2017) for RGB, trained on Kinetics-400 from scratch. Layers bear the names
of the original graph.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from gancmri_jax.networks.conv_relu import Kernel, conv3d_relu, pointwise, pointwise_relu
from gancmri_jax.ops.pool import max_pool

RESOLUTION = 224
LEAST_FRAMES = 9
LOGITS = 400

# Widths of the single branch, of the two that narrow before they convolve, and of the pooled one.
_MIXED = {
    "Mixed_3b": (64, (96, 128), (16, 32), 32),
    "Mixed_3c": (128, (128, 192), (32, 96), 64),
    "Mixed_4b": (192, (96, 208), (16, 48), 64),
    "Mixed_4c": (160, (112, 224), (24, 64), 64),
    "Mixed_4d": (128, (128, 256), (24, 64), 64),
    "Mixed_4e": (112, (144, 288), (32, 64), 64),
    "Mixed_4f": (256, (160, 320), (32, 128), 128),
    "Mixed_5b": (256, (160, 320), (32, 128), 128),
    "Mixed_5c": (384, (192, 384), (48, 128), 128),
}
_POOL_BEFORE = {
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}


class I3D(nn.Module):
    """clips [n t 224 224 c] in [−1, 1], of 3 channels or of 1 for grey → logits [n 400].

    Takes 9 frames or more; logits are the mean over time, before any softmax.
    """

    @nn.compact
    def __call__(self, clips: Float[Array, "n t 224 224 c"]) -> Float[Array, "n 400"]:
        if clips.shape[1] < LEAST_FRAMES:
            raise ValueError(f"I3D takes {LEAST_FRAMES} frames or more, got {clips.shape[1]}")
        x = conv3d_relu(clips, "Conv3d_1a_7x7", 64, size=7, stride=2, in_features=3)
        x = max_pool(x, (1, 3, 3), (1, 2, 2), "SAME")
        (x,) = pointwise_relu(x, {"Conv3d_2b_1x1": 64})
        x = conv3d_relu(x, "Conv3d_2c_3x3", 192)
        for name, widths in _MIXED.items():
            if name in _POOL_BEFORE:
                x = max_pool(x, *_POOL_BEFORE[name], "SAME")
            x = Mixed(*widths, name=name)(x)
        x = jnp.mean(x, axis=(2, 3))  # [n t/8 1024]
        x = (x[:, 1:] + x[:, :-1]) / 2
        kernel, bias = Kernel((1, 1, 1), x.shape[-1], LOGITS, name="Logits")()
        # The mean over time of a linear map is the linear map of the mean.
        return jnp.mean(x, axis=1) @ kernel[0, 0, 0] + bias[None]


class Mixed(nn.Module):
    """[n t h w i] → [n t h w o]: four branches side by side."""

    single: int
    middle: tuple[int, int]
    small: tuple[int, int]
    pooled: int

    @nn.compact
    def __call__(self, x: Float[Array, "n t h w i"]) -> Float[Array, "n t h w o"]:
        single, middle, small = pointwise_relu(
            x,
            {
                "Branch_0_Conv3d_0a_1x1": self.single,
                "Branch_1_Conv3d_0a_1x1": self.middle[0],
                "Branch_2_Conv3d_0a_1x1": self.small[0],
            },
        )
        middle = conv3d_relu(middle, "Branch_1_Conv3d_0b_3x3", self.middle[1])
        small = conv3d_relu(small, "Branch_2_Conv3d_0b_3x3", self.small[1])
        (pool,) = pointwise(
            max_pool(x, (3, 3, 3), (1, 1, 1), "SAME"), {"Branch_3_Conv3d_0b_1x1": self.pooled}
        )
        return jnp.concatenate([single, middle, small, jax.nn.relu(pool)], axis=-1)
