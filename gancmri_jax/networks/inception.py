"""The Inception network of the Fréchet Inception distance (Heusel et al. 2017).

It is TensorFlow's Inception v3 (Szegedy et al. 2016) of 2015-12-05, whose average pools leave
padding out and whose last block pools its branch by maximum; other Inceptions give other distances.
Layers bear the names of the original graph.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from gancmri_jax.networks.conv_relu import conv_relu, large_conv_relu, pointwise, pointwise_relu
from gancmri_jax.ops.pool import average_pool, max_pool

RESOLUTION = 299


class Inception(nn.Module):
    """images [n 299 299 c] in [−1, 1], of 3 channels or of 1 for grey → pool3 features [n 2048]."""

    @nn.compact
    def __call__(self, images: Float[Array, "n 299 299 c"]) -> Float[Array, "n 2048"]:
        x = (127.5 * images - 0.5) / 128  # the network takes (byte − 128) / 128
        x = large_conv_relu(x, "conv", 32, stride=2, in_features=3)
        x = large_conv_relu(x, "conv_1", 32)
        x = large_conv_relu(x, "conv_2", 64, padding=1)
        x = max_pool(x, (3, 3), (2, 2))
        (x,) = pointwise_relu(x, {"conv_3": 80})
        x = large_conv_relu(x, "conv_4", 192)
        x = max_pool(x, (3, 3), (2, 2))  # [n 35 35 192]
        for name, pooled in (("mixed", 32), ("mixed_1", 64), ("mixed_2", 64)):
            x = MixedAt35(pooled, name=name)(x)
        x = ReductionTo17(name="mixed_3")(x)
        for name, inner in (("mixed_4", 128), ("mixed_5", 160), ("mixed_6", 160), ("mixed_7", 192)):
            x = MixedAt17(inner, name=name)(x)
        x = ReductionTo8(name="mixed_8")(x)
        x = MixedAt8(pool_by_maximum=False, name="mixed_9")(x)
        x = MixedAt8(pool_by_maximum=True, name="mixed_10")(x)
        return jnp.mean(x, axis=(1, 2))


# A 1×1 convolution of an average is the average of the 1×1 convolution: blocks take all their 1×1
# convolutions from one product, and pool what is by then narrower.


class MixedAt35(nn.Module):
    """[n 35 35 i] → [n 35 35 224 + pooled]."""

    pooled: int

    @nn.compact
    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n h w o"]:
        single, tower, tower_1, pool = pointwise(
            x, {"conv": 64, "tower_conv": 48, "tower_1_conv": 64, "tower_2_conv": self.pooled}
        )
        single, tower, tower_1 = map(jax.nn.relu, (single, tower, tower_1))
        tower = conv_relu(tower, "tower_conv_1", 64, (5, 5))
        tower_1 = conv_relu(tower_1, "tower_1_conv_1", 96)
        tower_1 = conv_relu(tower_1, "tower_1_conv_2", 96)
        pool = jax.nn.relu(average_pool(pool, 3))
        return jnp.concatenate([single, tower, tower_1, pool], axis=-1)


class ReductionTo17(nn.Module):
    """[n 35 35 288] → [n 17 17 768]."""

    @nn.compact
    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n oh ow o"]:
        single = conv_relu(x, "conv", 384, stride=2, padding="VALID")
        (tower,) = pointwise_relu(x, {"tower_conv": 64})
        tower = conv_relu(tower, "tower_conv_1", 96)
        tower = conv_relu(tower, "tower_conv_2", 96, stride=2, padding="VALID")
        return jnp.concatenate([single, tower, max_pool(x, (3, 3), (2, 2))], axis=-1)


class MixedAt17(nn.Module):
    """[n 17 17 768] → [n 17 17 768], with 7×7 convolutions factored into `inner` channels."""

    inner: int

    @nn.compact
    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n h w o"]:
        widths = {"conv": 192, "tower_conv": self.inner, "tower_1_conv": self.inner}
        single, tower, tower_1, pool = pointwise(x, {**widths, "tower_2_conv": 192})
        single, tower, tower_1 = map(jax.nn.relu, (single, tower, tower_1))
        tower = conv_relu(tower, "tower_conv_1", self.inner, (1, 7))
        tower = conv_relu(tower, "tower_conv_2", 192, (7, 1))
        tower_1 = conv_relu(tower_1, "tower_1_conv_1", self.inner, (7, 1))
        tower_1 = conv_relu(tower_1, "tower_1_conv_2", self.inner, (1, 7))
        tower_1 = conv_relu(tower_1, "tower_1_conv_3", self.inner, (7, 1))
        tower_1 = conv_relu(tower_1, "tower_1_conv_4", 192, (1, 7))
        pool = jax.nn.relu(average_pool(pool, 3))
        return jnp.concatenate([single, tower, tower_1, pool], axis=-1)


class ReductionTo8(nn.Module):
    """[n 17 17 768] → [n 8 8 1280]."""

    @nn.compact
    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n oh ow o"]:
        tower, tower_1 = pointwise_relu(x, {"tower_conv": 192, "tower_1_conv": 192})
        tower = conv_relu(tower, "tower_conv_1", 320, stride=2, padding="VALID")
        tower_1 = conv_relu(tower_1, "tower_1_conv_1", 192, (1, 7))
        tower_1 = conv_relu(tower_1, "tower_1_conv_2", 192, (7, 1))
        tower_1 = conv_relu(tower_1, "tower_1_conv_3", 192, stride=2, padding="VALID")
        return jnp.concatenate([tower, tower_1, max_pool(x, (3, 3), (2, 2))], axis=-1)


class MixedAt8(nn.Module):
    """[n 8 8 i] → [n 8 8 2048]."""

    pool_by_maximum: bool

    @nn.compact
    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n h w o"]:
        widths = {"conv": 320, "tower_conv": 384, "tower_1_conv": 448}
        if self.pool_by_maximum:
            single, tower, tower_1 = pointwise(x, widths)
            (pool,) = pointwise(max_pool(x, (3, 3), (1, 1), "SAME"), {"tower_2_conv": 192})
        else:
            single, tower, tower_1, pool = pointwise(x, {**widths, "tower_2_conv": 192})
            pool = average_pool(pool, 3)
        single, tower, tower_1, pool = map(jax.nn.relu, (single, tower, tower_1, pool))
        tower_1 = conv_relu(tower_1, "tower_1_conv_1", 384)
        pieces = [
            single,
            conv_relu(tower, "tower_mixed_conv", 384, (1, 3)),
            conv_relu(tower, "tower_mixed_conv_1", 384, (3, 1)),
            conv_relu(tower_1, "tower_1_mixed_conv", 384, (1, 3)),
            conv_relu(tower_1, "tower_1_mixed_conv_1", 384, (3, 1)),
            pool,
        ]
        return jnp.concatenate(pieces, axis=-1)
