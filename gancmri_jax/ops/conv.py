"""Convolution whose kernel gradient takes a road of its own where XLA's is slow.

A convolution, its transpose and its kernel gradient are the three partial derivatives of one
trilinear form T(x, k, y) = <conv(x, k), y>. Each is written here once, and each one's gradients
are the other two, so any order of derivative stays within the three.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

_NHWC = ("NHWC", "HWIO", "NHWC")


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv(
    x: Float[Array, "n h w i"], kernel: Float[Array, "kh kw i o"], stride: int = 1, padding: int = 0
) -> Float[Array, "n oh ow o"]:
    """Correlate images with a kernel; zeros pad every side by `padding`."""
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), [(padding, padding)] * 2, dimension_numbers=_NHWC
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv_transpose(
    y: Float[Array, "n oh ow o"],
    kernel: Float[Array, "kh kw i o"],
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, "n h w i"]:
    """Apply the transpose of `conv` in its images; [n (oh−1)·stride + kh − 2·padding …]."""
    if stride > 1 and jax.default_backend() == "cpu":
        return _conv_transpose_by_phases(y, kernel, stride, padding)
    kh, kw = kernel.shape[:2]
    return lax.conv_general_dilated(
        y,
        jnp.flip(kernel, (0, 1)).swapaxes(2, 3),
        (1, 1),
        [(kh - 1 - padding,) * 2, (kw - 1 - padding,) * 2],
        lhs_dilation=(stride, stride),
        dimension_numbers=_NHWC,
    )


def _conv_transpose_by_phases(y, kernel, stride, padding):
    """Compute `conv_transpose` as one dense convolution for each phase of the output grid.

    Every `stride`-th row and column of the output sees its own share of the kernel. XLA's CPU
    convolution of a dilated image multiplies the zeros between its pixels too.
    """
    kh, kw = kernel.shape[:2]
    n, oh, ow, _ = y.shape
    full = (oh - 1) * stride + kh, (ow - 1) * stride + kw
    rows, columns = -(-full[0] // stride), -(-full[1] // stride)

    def phase(row, column):
        taps = jnp.flip(kernel[row::stride, column::stride], (0, 1)).swapaxes(2, 3)
        high, wide = taps.shape[:2]
        if not (high and wide):
            return jnp.zeros((n, rows, columns, kernel.shape[2]), y.dtype)
        padding = [(high - 1, rows - oh), (wide - 1, columns - ow)]
        return lax.conv_general_dilated(y, taps, (1, 1), padding, dimension_numbers=_NHWC)

    # [n rows columns i] a phase, stacked behind the axis it is a phase of.
    grid = [jnp.stack([phase(row, column) for column in range(stride)], 3) for row in range(stride)]
    whole = jnp.stack(grid, 2).reshape(n, rows * stride, columns * stride, -1)
    return whole[:, padding : full[0] - padding, padding : full[1] - padding]


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def kernel_gradient(
    x: Float[Array, "n h w i"],
    y: Float[Array, "n oh ow o"],
    size: int,
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, "{size} {size} i o"]:
    """Return the gradient of <conv(x, kernel), y> by the kernel."""
    if jax.default_backend() == "cpu" and (stride > 1 or x.shape[-1] >= 128):
        return _kernel_gradient_by_products(x, y, size, stride, padding)
    shape = jax.ShapeDtypeStruct((size, size, x.shape[-1], y.shape[-1]), x.dtype)
    transpose = jax.linear_transpose(
        lambda kernel: lax.conv_general_dilated(
            x, kernel, (stride, stride), [(padding, padding)] * 2, dimension_numbers=_NHWC
        ),
        shape,
    )
    return transpose(y)[0]


def _kernel_gradient_by_products(x, y, size, stride, padding):
    """Compute `kernel_gradient` as one matrix product per kernel row.

    XLA's CPU kernel gradients of strided convolutions run many times below the matrix product
    rate; these products, each over `size` shifted copies side by side, do not.
    """
    n, oh, ow, o = y.shape
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))

    def span(start, length):
        return slice(start, start + stride * (length - 1) + 1, stride)

    shifted = jnp.concatenate([x[:, :, span(column, ow)] for column in range(size)], axis=-1)
    rows = [
        jnp.einsum("nhwo,nhwc->oc", y, shifted[:, span(row, oh)]) for row in range(size)
    ]  # [o size·i] each
    return jnp.stack(rows).swapaxes(1, 2).reshape(size, size, x.shape[-1], o)


def _conv_fwd(x, kernel, stride, padding):
    return conv(x, kernel, stride, padding), (x, kernel)


def _conv_bwd(stride, padding, residuals, y):
    x, kernel = residuals
    dx = conv_transpose(y, kernel, stride, padding)
    return dx, kernel_gradient(x, y, kernel.shape[0], stride, padding)


def _conv_transpose_fwd(y, kernel, stride, padding):
    return conv_transpose(y, kernel, stride, padding), (y, kernel)


def _conv_transpose_bwd(stride, padding, residuals, x):
    y, kernel = residuals
    dy = conv(x, kernel, stride, padding)
    return dy, kernel_gradient(x, y, kernel.shape[0], stride, padding)


def _kernel_gradient_fwd(x, y, size, stride, padding):
    return kernel_gradient(x, y, size, stride, padding), (x, y)


def _kernel_gradient_bwd(size, stride, padding, residuals, kernel):
    x, y = residuals
    return conv_transpose(y, kernel, stride, padding), conv(x, kernel, stride, padding)


conv.defvjp(_conv_fwd, _conv_bwd)
conv_transpose.defvjp(_conv_transpose_fwd, _conv_transpose_bwd)
kernel_gradient.defvjp(_kernel_gradient_fwd, _kernel_gradient_bwd)
