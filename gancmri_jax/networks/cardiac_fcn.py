"""The fully convolutional network for cardiac cines (Bai et al., J Cardiovasc Magn Reson 2018).

Every level of a strided encoder is enlarged to the image's size, and 1×1 convolutions over all of
them decide. The published 4-chamber weights see frames in NIfTI's order, x first, transposed
against display; a network trained here sees display order.
"""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from gancmri_jax.ops.bilinear import enlarge
from gancmri_jax.ops.conv import conv

CLASSES = ("background", "LV", "myocardium", "RV", "LA", "RA")
CONVOLUTIONS = (2, 2, 3, 3, 3)  # per level; every level but the first begins with stride 2
MULTIPLE = 2 ** (len(CONVOLUTIONS) - 1)  # that height and width must be a multiple of


class ConvNorm(nn.Module):
    """Convolution without bias, batch normalisation, ReLU."""

    features: int
    size: int = 3
    stride: int = 1

    @nn.compact
    def __call__(self, x: Float[Array, "n h w i"], train: bool) -> Float[Array, "n oh ow o"]:
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        if self.size == 1:
            x = jnp.einsum("nhwi,io->nhwo", x, kernel[0, 0])
        elif self.stride == 2:
            # TensorFlow's "SAME" pads an even size after its end only.
            x = conv(jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0))), kernel, 2, 0)
        else:
            x = conv(x, kernel, 1, self.size // 2)
        norm = nn.BatchNorm(use_running_average=not train, momentum=0.99, epsilon=1e-3, name="norm")
        return nn.relu(norm(x))


class Merge(nn.Module):
    """All levels enlarged to the first's size and concatenated, then a 1×1 `ConvNorm`.

    The convolution commutes with the enlargement, so it is taken first, where there are few pixels.
    """

    features: int

    @nn.compact
    def __call__(
        self, levels: list[Float[Array, "n _ _ _"]], train: bool
    ) -> Float[Array, "n h w o"]:
        shape = (1, 1, sum(level.shape[-1] for level in levels), self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        parts = jnp.split(kernel[0, 0], len(levels))
        products = [level @ part for level, part in zip(levels, parts, strict=True)]
        x = sum(enlarge(product, 2**level) for level, product in enumerate(products))
        norm = nn.BatchNorm(use_running_average=not train, momentum=0.99, epsilon=1e-3, name="norm")
        return nn.relu(norm(x))


class CardiacFCN(nn.Module):
    """Images [n h w p] in [0, 1], sides a multiple of 16 → logits [n h w 6], by CLASSES.

    Attributes:
        phases: How many frames of a beat it sees at once: the one to segment, and those 1/p, 2/p …
            of a beat later, which tell what moves. One frame stands for all where it is alone.
        filters: Channels of each level; the published network has the defaults.
        level_width: Channels that each level has when it is enlarged.
        head_width: Channels of the two 1×1 convolutions over all levels.
    """

    filters: tuple[int, ...] = (16, 32, 64, 128, 256)
    level_width: int = 32
    head_width: int = 64
    phases: int = 1

    def setup(self) -> None:
        self.encoder = [
            [ConvNorm(width, stride=2 if level and not index else 1) for index in range(count)]
            for level, (width, count) in enumerate(zip(self.filters, CONVOLUTIONS, strict=True))
        ]
        self.narrow = [ConvNorm(self.level_width, size=1) for _ in self.filters]
        self.merge = Merge(self.head_width)
        self.head = ConvNorm(self.head_width, size=1)
        self.classify = nn.Dense(len(CLASSES))

    def levels(
        self, images: Float[Array, "n h w p"], train: bool = False
    ) -> list[Float[Array, "n _ _ _"]]:
        """Return each level's last activation; the last one is "conv4"."""
        x, activations = images, []
        if images.shape[-1] == 1:
            x = jnp.broadcast_to(images, (*images.shape[:-1], self.phases))
        for level in self.encoder:
            for layer in level:
                x = layer(x, train)
            activations.append(x)
        return activations

    def __call__(
        self, images: Float[Array, "n h w p"], train: bool = False
    ) -> Float[Array, "n h w 6"]:
        """Return logits; with `train`, normalised by the batch, whose statistics are stored."""
        levels = [
            narrow(level, train)
            for narrow, level in zip(self.narrow, self.levels(images, train), strict=True)
        ]
        return self.classify(self.head(self.merge(levels, train), train))
