"""Convolution that is computed otherwise on processors where XLA's own way is slow.

A convolution, its transpose and its kernel gradient are the three partial derivatives of one
trilinear form T(x, k, y) = <conv(x, k), y>. Each is written here once, and each one's gradients
are the other two, so any order of derivative stays within the three.

Images decide the precision: kernels are rounded to theirs. Kernel gradients are sums over all
pixels of a batch, and over devices, so they are float32 at least. The processor is that for which
a program is compiled, which need not be here.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

_NHWC = ("NHWC", "HWIO", "NHWC")
_FEW_CHANNELS = 4  # a kernel of one pixel with so few channels in or out is a sum, but on TPUs


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv(
    x: Float[Array, "n h w i"], kernel: Float[Array, "kh kw i o"], stride: int = 1, padding: int = 0
) -> Float[Array, "n oh ow o"]:
    """Correlate images with a kernel; zeros pad every side by `padding`."""

    def by_xla(x, kernel):
        return lax.conv_general_dilated(
            x, kernel, (stride, stride), [(padding, padding)] * 2, dimension_numbers=_NHWC
        )

    kernel = kernel.astype(x.dtype)
    if not _is_product(kernel.shape, stride, padding):
        return by_xla(x, kernel)
    return lax.platform_dependent(
        x, kernel, tpu=by_xla, default=lambda x, k: jnp.einsum("nhwi,io->nhwo", x, k[0, 0])
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv_transpose(
    y: Float[Array, "n oh ow o"],
    kernel: Float[Array, "kh kw i o"],
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, "n h w i"]:
    """Apply the transpose of `conv` in its images; [n (oh−1)·stride + kh − 2·padding …]."""

    def by_xla(y, kernel):
        kh, kw = kernel.shape[:2]
        return lax.conv_general_dilated(
            y,
            jnp.flip(kernel, (0, 1)).swapaxes(2, 3),
            (1, 1),
            [(kh - 1 - padding,) * 2, (kw - 1 - padding,) * 2],
            lhs_dilation=(stride, stride),
            dimension_numbers=_NHWC,
        )

    kernel = kernel.astype(y.dtype)
    if stride > 1:
        by_phases = functools.partial(_conv_transpose_by_phases, stride=stride, padding=padding)
        return lax.platform_dependent(y, kernel, cpu=by_phases, default=by_xla)
    if not _is_product(kernel.shape, stride, padding):
        return by_xla(y, kernel)
    return lax.platform_dependent(
        y, kernel, tpu=by_xla, default=lambda y, k: jnp.einsum("nhwo,io->nhwi", y, k[0, 0])
    )


def _is_product(shape: tuple[int, ...], stride: int, padding: int) -> bool:
    """Say whether a kernel of this shape is a matrix, and a narrow one."""
    return shape[:2] == (1, 1) and min(shape[2:]) <= _FEW_CHANNELS and stride == 1 and not padding


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
    total = jnp.promote_types(x.dtype, jnp.float32)

    def by_xla(x, y, preferred=total):
        """Correlate with channels for images, images for channels, and y for the kernel."""
        padding_after = [
            stride * (out - 1) + size - full - padding
            for out, full in zip(y.shape[1:3], x.shape[1:3], strict=True)
        ]
        return lax.conv_general_dilated(
            x,
            y,
            (1, 1),
            [(padding, after) for after in padding_after],
            rhs_dilation=(stride, stride),
            dimension_numbers=("CHWN", "IHWO", "HWNC"),
            preferred_element_type=preferred,
        )

    def by_product(x, y):
        return jnp.einsum("nhwi,nhwo->io", x, y, preferred_element_type=total)[None, None]

    elsewhere: dict[str, Callable[[Array, Array], Array]] = {}
    if stride > 1 or x.shape[-1] >= 128:
        elsewhere["cpu"] = functools.partial(
            _kernel_gradient_by_products, size=size, stride=stride, padding=padding
        )
    if _is_product((size, size, x.shape[-1], y.shape[-1]), stride, padding):
        elsewhere["cuda"] = by_product
    elif x.dtype != total:
        # cuDNN sums in float32 and rounds once; asked for float32, XLA widens both operands.
        elsewhere["cuda"] = lambda x, y: by_xla(x, y, None).astype(total)
    return lax.platform_dependent(x, y, default=by_xla, **elsewhere) if elsewhere else by_xla(x, y)


def _kernel_gradient_by_products(x, y, size, stride, padding):
    """Compute `kernel_gradient` as one matrix product per kernel row.

    XLA's CPU kernel gradients of strided convolutions run many times below the matrix product
    rate; these products, each over `size` shifted copies side by side, do not.
    """
    n, oh, ow, o = y.shape
    total = jnp.promote_types(x.dtype, jnp.float32)
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))

    def span(start, length):
        return slice(start, start + stride * (length - 1) + 1, stride)

    shifted = jnp.concatenate([x[:, :, span(column, ow)] for column in range(size)], axis=-1)
    rows = [  # [o size·i] each
        jnp.einsum("nhwo,nhwc->oc", y, shifted[:, span(row, oh)], preferred_element_type=total)
        for row in range(size)
    ]
    return jnp.stack(rows).swapaxes(1, 2).reshape(size, size, x.shape[-1], o)


def _conv_fwd(x, kernel, stride, padding):
    return conv(x, kernel, stride, padding), (x, kernel)


def _conv_bwd(stride, padding, residuals, y):
    x, kernel = residuals
    dx = conv_transpose(y, kernel, stride, padding)
    dk = kernel_gradient(x, y, kernel.shape[0], stride, padding)
    return dx, dk.astype(kernel.dtype)


def _conv_transpose_fwd(y, kernel, stride, padding):
    return conv_transpose(y, kernel, stride, padding), (y, kernel)


def _conv_transpose_bwd(stride, padding, residuals, x):
    y, kernel = residuals
    dy = conv(x, kernel, stride, padding)
    dk = kernel_gradient(x, y, kernel.shape[0], stride, padding)
    return dy, dk.astype(kernel.dtype)


def _kernel_gradient_fwd(x, y, size, stride, padding):
    return kernel_gradient(x, y, size, stride, padding), (x, y)


def _kernel_gradient_bwd(size, stride, padding, residuals, kernel):
    x, y = residuals
    return conv_transpose(y, kernel, stride, padding), conv(x, kernel, stride, padding)


conv.defvjp(_conv_fwd, _conv_bwd)
conv_transpose.defvjp(_conv_transpose_fwd, _conv_transpose_bwd)
kernel_gradient.defvjp(_kernel_gradient_fwd, _kernel_gradient_bwd)
