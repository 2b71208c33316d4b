"""Array mathematics by hand, and gradients against XLA's own."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gancmri_jax.ops import conv as roads
from gancmri_jax.ops import modulated_conv as modulation
from gancmri_jax.ops import resample
from gancmri_jax.ops.activation import append_minibatch_std, leaky_relu, normalize_second_moment
from gancmri_jax.ops.resample import fir

# One program each: operation by operation they take far longer to compile.
conv = jax.jit(roads.conv, static_argnums=(2, 3))
conv_transpose = jax.jit(roads.conv_transpose, static_argnums=(2, 3))
kernel_gradient = jax.jit(roads.kernel_gradient, static_argnums=(2, 3, 4))
modulated_conv = jax.jit(modulation.modulated_conv)
upsample, downsample = jax.jit(resample.upsample), jax.jit(resample.downsample)


@functools.partial(jax.jit, static_argnums=(2, 3))
def native(x, kernel, stride, padding):
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        [(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def draw(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def assert_close(ours, theirs, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert a.shape == b.shape
        assert jnp.linalg.norm(a - b) <= tolerance * jnp.linalg.norm(b)


@pytest.mark.parametrize(
    ("stride", "padding", "size", "channels"),
    [(1, 1, 6, 3), (1, 0, 6, 3), (2, 0, 7, 3), (1, 1, 4, 128)],
)
def test_convolution_and_both_orders_of_gradient_equal_xlas(stride, padding, size, channels):
    x, kernel = draw(0, 2, size, size, channels), draw(1, 3, 3, channels, 4)

    def penalty(convolution):
        """A gradient penalty: its gradient takes the derivative of both gradients."""

        def total(x, kernel):
            return jnp.sum(jnp.sin(convolution(x, kernel, stride, padding)))

        def norms(x, kernel):
            dx, dk = jax.grad(total, (0, 1))(x, kernel)
            return jnp.sum(dx**2) + jnp.sum(dk**2)

        return jax.jit(jax.value_and_grad(norms, (0, 1)))

    assert_close(conv(x, kernel, stride, padding), native(x, kernel, stride, padding))
    assert_close(penalty(conv)(x, kernel), penalty(native)(x, kernel), 1e-4)


def test_the_three_convolutions_are_one_trilinear_form():
    x, kernel = draw(0, 2, 9, 9, 3), draw(1, 3, 3, 3, 5)
    y = draw(2, 2, 4, 4, 5)
    form = jnp.vdot(conv(x, kernel, 2, 0), y)
    np.testing.assert_allclose(form, jnp.vdot(x, conv_transpose(y, kernel, 2, 0)), rtol=1e-4)
    np.testing.assert_allclose(form, jnp.vdot(kernel, kernel_gradient(x, y, 3, 2, 0)), rtol=1e-4)


def test_transposed_convolution_by_hand():
    kernel = jnp.arange(9.0).reshape(3, 3, 1, 1)
    y = jnp.array([[1.0, 0.0], [0.0, 0.0]])[None, :, :, None]
    out = conv_transpose(y, kernel, 2, 0)[0, :, :, 0]
    expected = np.zeros((5, 5))
    expected[:3, :3] = np.arange(9).reshape(3, 3)
    np.testing.assert_allclose(out, expected)


def test_filter_spreads_an_impulse_as_its_taps():
    x = jnp.zeros((1, 5, 5, 1)).at[0, 2, 2, 0].set(64.0)
    taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1])
    np.testing.assert_allclose(fir(x, (1, 2))[0, :4, :4, 0], taps, rtol=1e-6)


def test_filters_gradient_is_its_transpose():
    x, y = draw(0, 2, 6, 6, 3), draw(1, 2, 7, 7, 3)
    (dx,) = jax.vjp(lambda x: fir(x, (2, 2)), x)[1](y)
    np.testing.assert_allclose(jnp.vdot(fir(x, (2, 2)), y), jnp.vdot(x, dx), rtol=1e-4)


def test_resampling_keeps_a_constant_away_from_the_border():
    x = jnp.full((1, 8, 8, 2), 3.0)
    np.testing.assert_allclose(upsample(x)[:, 2:-2, 2:-2], 3, rtol=1e-6)
    np.testing.assert_allclose(downsample(x)[:, 1:-1, 1:-1], 3, rtol=1e-6)


def test_upsampling_a_row_by_hand():
    x = jnp.array([4.0, 8.0])[None, None, :, None] * jnp.ones((1, 8, 1, 1))
    row = upsample(x)[0, 8, :, 0]
    np.testing.assert_allclose(row, [3, 5, 7, 6], rtol=1e-6)  # (4·3+0)/4, (4·3+8)/4, …


def test_modulation_equals_weights_of_each_images_own():
    x, kernel, style = draw(0, 2, 5, 5, 3), draw(1, 3, 3, 3, 4), draw(2, 2, 3)
    for index in range(2):
        weights = kernel * style[index][None, None, :, None]
        norm = jnp.sqrt(jnp.sum(weights**2, axis=(0, 1, 2), keepdims=True) + 1e-8)
        own = native(x[index : index + 1], weights / norm, 1, 1)
        assert_close(modulated_conv(x, kernel, style)[index : index + 1], own)


def test_activations_by_hand():
    np.testing.assert_allclose(
        leaky_relu(jnp.array([1.0, -1.0])), [2**0.5, -0.2 * 2**0.5], rtol=1e-6
    )
    np.testing.assert_allclose(
        normalize_second_moment(jnp.array([[3.0, 4.0]])) ** 2, [[0.72, 1.28]], rtol=1e-5
    )


def test_minibatch_deviation_of_strided_groups():
    # Groups of 2 among 4 images are (0, 2) and (1, 3).
    x = jnp.array([0.0, 5.0, 2.0, 5.0]).reshape(4, 1, 1, 1)
    out = append_minibatch_std(x, 2)
    np.testing.assert_allclose(out[:, 0, 0, 1], [1, 1e-4, 1, 1e-4], rtol=1e-5)
    # 3 images do not make groups of 2: they are one group each.
    np.testing.assert_allclose(append_minibatch_std(x[:3], 2)[:, 0, 0, 1], 1e-4, rtol=1e-5)
