"""Convolution of large images as matrix products, one image and one kernel row at a time."""

import functools

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def conv_by_rows(
    x: Float[Array, "n h w i"], kernel: Float[Array, "k k i o"], stride: int = 1, padding: int = 0
) -> Float[Array, "n oh ow o"]:
    """Correlate images with a kernel; zeros pad every side by `padding`.

    On CPU an image's copies, shifted along its rows, stand side by side and stay in the cache for
    `k` products. XLA's own convolution of 32 to 80 channels at 73² to 149² took 1.4 to 3.4 times as
    long on two cores; elsewhere it is what runs.
    """

    def by_rows(x, kernel):
        x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
        return lax.map(functools.partial(_one_image, kernel=kernel, stride=stride), x)

    def by_xla(x, kernel):
        return lax.conv_general_dilated(
            x,
            kernel,
            (stride, stride),
            [(padding, padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    return lax.platform_dependent(x, kernel, cpu=by_rows, default=by_xla)


def _one_image(
    x: Float[Array, "h w i"], kernel: Float[Array, "k k i o"], stride: int
) -> Float[Array, "oh ow o"]:
    size, _, i, o = kernel.shape
    oh, ow = ((length - size) // stride + 1 for length in x.shape[:2])

    def span(start: int, length: int) -> slice:
        return slice(start, start + stride * (length - 1) + 1, stride)

    shifted = jnp.concatenate([x[:, span(column, ow)] for column in range(size)], axis=-1)
    products = (shifted[span(row, oh)] @ kernel[row].reshape(size * i, o) for row in range(size))
    return functools.reduce(jnp.add, products)
