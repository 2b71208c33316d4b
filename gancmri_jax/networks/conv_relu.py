"""Convolution, bias and ReLU, of which pretrained backbones are made.

Their batch normalisation was folded into kernel and bias as the weights were converted.
"""

import itertools

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from gancmri_jax.ops.conv3d import conv3d
from gancmri_jax.ops.conv_by_rows import conv_by_rows


class Kernel(nn.Module):
    """The parameters of a convolution, `kernel` [*size i o] and `bias` [o], and no more."""

    size: tuple[int, ...]
    in_features: int
    features: int

    @nn.compact
    def __call__(self) -> tuple[Float[Array, "*size i o"], Float[Array, "o"]]:
        shape = (*self.size, self.in_features, self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        return kernel, self.param("bias", nn.initializers.zeros, (self.features,))


def conv_relu(
    x: Float[Array, "n h w i"],
    name: str,
    features: int,
    size: tuple[int, int] = (3, 3),
    stride: int = 1,
    padding: str = "SAME",
) -> Float[Array, "n oh ow o"]:
    """Return ReLU(convolution + bias), with parameters called `name` in the module around it."""
    kernel, bias = Kernel(size, x.shape[-1], features, name=name)()
    x = lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return add_bias_relu(x, bias)


def large_conv_relu(
    x: Float[Array, "n h w i"],
    name: str,
    features: int,
    stride: int = 1,
    padding: int = 0,
    in_features: int | None = None,
) -> Float[Array, "n oh ow o"]:
    """Return ReLU(3×3 convolution + bias) of large images with few channels.

    Where there is one channel in and the kernel is made for `in_features`, it stands for so many
    equal ones, at the cost of one.
    """
    kernel, bias = Kernel((3, 3), in_features or x.shape[-1], features, name=name)()
    return add_bias_relu(conv_by_rows(x, for_channels(kernel, x.shape[-1]), stride, padding), bias)


def conv3d_relu(
    x: Float[Array, "n t h w i"],
    name: str,
    features: int,
    size: int = 3,
    stride: int = 1,
    in_features: int | None = None,
) -> Float[Array, "n ot oh ow o"]:
    """Return ReLU(convolution + bias) of clips; `in_features` as in `large_conv_relu`."""
    kernel, bias = Kernel((size,) * 3, in_features or x.shape[-1], features, name=name)()
    return add_bias_relu(conv3d(x, for_channels(kernel, x.shape[-1]), stride), bias)


def pointwise(x: Float[Array, "*n i"], widths: dict[str, int]) -> list[Float[Array, "*n _"]]:
    """Return 1×1 convolutions + bias of the same features, without ReLU, from one matrix product.

    Args:
        x: The features.
        widths: Channels out by name; `name` holds the parameters of each.
    """
    size = (1,) * (x.ndim - 2)
    kernels, biases = zip(
        *(Kernel(size, x.shape[-1], width, name=name)() for name, width in widths.items()),
        strict=True,
    )
    joined = jnp.concatenate([kernel.reshape(kernel.shape[-2:]) for kernel in kernels], axis=1)
    y = _add_bias(x @ joined, jnp.concatenate(biases))
    return jnp.split(y, list(itertools.accumulate(widths.values()))[:-1], axis=-1)


def pointwise_relu(x: Float[Array, "*n i"], widths: dict[str, int]) -> list[Float[Array, "*n _"]]:
    """Return ReLU(1×1 convolution + bias) by the names of `widths`, from one matrix product."""
    return [jax.nn.relu(y) for y in pointwise(x, widths)]


def for_channels(kernel: Float[Array, "*size i o"], channels: int) -> Float[Array, "*size c o"]:
    """Return a kernel for one channel that stands for equal ones, or the kernel for all."""
    return jnp.sum(kernel, axis=-2, keepdims=True) if channels == 1 else kernel


def add_bias_relu(x: Float[Array, "*n o"], bias: Float[Array, "o"]) -> Float[Array, "*n o"]:
    """Return ReLU(x + bias)."""
    return jax.nn.relu(_add_bias(x, bias))


def _add_bias(x: Float[Array, "*n o"], bias: Float[Array, "o"]) -> Float[Array, "*n o"]:
    return x + bias.reshape((1,) * (x.ndim - 1) + (-1,))
