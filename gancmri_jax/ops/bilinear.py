"""Bilinear enlargement by a whole factor, aligned as the transpose of a strided convolution."""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float


def enlarge(x: Float[Array, "n h w c"], factor: int) -> Float[Array, "n {factor}*h {factor}*w c"]:
    """Enlarge images by a whole factor: the transpose of a convolution with a triangle.

    The triangle is 2·factor − 1 long. Sample i is the result's sample factor·i + factor // 2, as
    where TensorFlow pads the transposed convolution ("SAME"); there are zeros beyond the border.
    """
    if factor == 1:
        return x
    return _enlarge_axis(_enlarge_axis(x, factor, 1), factor, 2)


def _enlarge_axis(x: Float[Array, "n h w c"], factor: int, axis: int) -> Float[Array, "n H W c"]:
    length = x.shape[axis]
    padding = [(1, 1) if at == axis else (0, 0) for at in range(4)]
    padded = jnp.pad(x, padding)
    neighbours = [lax.slice_in_dim(padded, i, i + length, axis=axis) for i in range(3)]
    phases = [
        sum(float(weight) * y for weight, y in zip(row, neighbours, strict=True) if weight)
        for row in _weights(factor)
    ]
    shape = list(x.shape)
    shape[axis] *= factor
    return jnp.stack(phases, axis=axis + 1).reshape(shape)


def _weights(factor: int) -> Float[np.ndarray, "{factor} 3"]:
    """Return what each of a sample's `factor` results takes of the one before, it, and the next."""
    position = (np.arange(factor) - factor // 2) / factor  # of the result, from the sample
    return np.stack([np.maximum(-position, 0), 1 - np.abs(position), np.maximum(position, 0)], 1)
