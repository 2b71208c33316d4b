import jax
import jax.numpy as jnp
from jax import lax

from gancmri_jax.benchmarks.count import multiply_adds
from gancmri_jax.ops.conv import conv
from gancmri_jax.ops.conv_by_rows import conv_by_rows


def shape(*sizes):
    return jax.ShapeDtypeStruct(sizes, jnp.float32)


def test_a_matrix_product():
    assert multiply_adds(lambda a, b: a @ b, shape(2, 3), shape(3, 5)) == 2 * 3 * 5
    assert multiply_adds(jax.jit(lambda a: a @ a.T + a @ a.T), shape(2, 3)) == 2 * (2 * 3 * 2)


def test_a_convolution_by_either_road():
    x, kernel = shape(2, 8, 8, 3), shape(3, 3, 3, 5)
    expected = 2 * 6 * 6 * 5 * 3 * 3 * 3
    assert multiply_adds(conv, x, kernel) == multiply_adds(conv_by_rows, x, kernel) == expected


def test_a_transposed_convolution_does_not_count_the_zeros_between_its_inputs():
    def function(y, kernel):
        dimensions = ("NHWC", "HWIO", "NHWC")
        pads = [(1, 1), (1, 1)]
        return lax.conv_general_dilated(
            y, kernel, (1, 1), pads, lhs_dilation=(2, 2), dimension_numbers=dimensions
        )

    # 4² inputs with zeros between are 7², and 7² places of 9 taps, three in four of them zeros.
    assert multiply_adds(function, shape(1, 4, 4, 1), shape(3, 3, 1, 1)) == 7 * 7 * 9 // 4


def test_a_loop_counts_every_round():
    def function(x):
        return lax.scan(lambda carry, _: (carry @ carry, None), x, None, length=7)[0]

    assert multiply_adds(function, shape(2, 2)) == 7 * 8


def test_what_no_output_depends_on_does_not_count():
    def function(x):
        x @ x
        return x + 1

    assert multiply_adds(function, shape(4, 4)) == 0


def test_an_image_gradient_counts_no_kernel_gradient():
    def function(x, kernel):
        return jax.grad(lambda x: jnp.sum(conv(x, kernel, 1, 1) ** 2))(x)

    once = multiply_adds(lambda x, k: conv(x, k, 1, 1), shape(1, 8, 8, 4), shape(3, 3, 4, 4))
    assert multiply_adds(function, shape(1, 8, 8, 4), shape(3, 3, 4, 4)) == 2 * once


def test_of_branches_the_largest_counts():
    def function(x):
        return lax.cond(x[0, 0] > 0, lambda x: x @ x @ x, lambda x: x @ x, x)

    assert multiply_adds(function, shape(2, 2)) == 2 * 8
