"""What is lowered for a processor is that processor's way, wherever it is lowered."""

import functools
import re

import jax
import jax.numpy as jnp
import pytest

from gancmri_jax.networks.generator import Generator
from gancmri_jax.ops.conv import conv, conv_transpose, kernel_gradient
from gancmri_jax.ops.conv3d import conv3d
from gancmri_jax.ops.conv_by_rows import conv_by_rows
from gancmri_jax.ops.resample import fir


def lowered(function, platform, *shapes, dtype=jnp.float32):
    args = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    return jax.export.export(jax.jit(function), platforms=[platform])(*args).mlir_module()


def convolutions(text):
    return re.findall(r"stablehlo\.convolution.*", text)


def up(y, kernel):
    return conv_transpose(y, kernel, 2, 0)


@pytest.mark.parametrize("platform, dilated", [("cpu", 0), ("cuda", 1), ("tpu", 1)])
def test_a_strided_transpose_is_phases_on_a_cpu_alone(platform, dilated):
    found = convolutions(lowered(up, platform, (1, 4, 4, 8), (3, 3, 8, 8)))
    assert len(found) == (1 if dilated else 4)
    assert sum("lhs_dilate = [2, 2]" in each for each in found) == dilated


@pytest.mark.parametrize("platform, native", [("cpu", 0), ("cuda", 1), ("tpu", 1)])
def test_rows_and_strided_kernel_gradients_are_products_on_a_cpu_alone(platform, native):
    rows = lowered(lambda x, k: conv_by_rows(x, k, 1, 1), platform, (1, 8, 8, 4), (3, 3, 4, 4))
    assert len(convolutions(rows)) == native
    strided = functools.partial(kernel_gradient, size=3, stride=2)
    gradient = lowered(strided, platform, (1, 9, 9, 4), (1, 4, 4, 4))
    assert len(convolutions(gradient)) == native


@pytest.mark.parametrize("platform, dimensions", [("cpu", 2), ("cuda", 3), ("tpu", 3)])
def test_time_is_a_dimension_but_on_a_cpu(platform, dimensions):
    (found,) = convolutions(lowered(conv3d, platform, (1, 4, 8, 8, 2), (3, 3, 3, 2, 4)))
    assert f"b, {', '.join(map(str, range(dimensions)))}, f" in found


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_kernel_gradients_are_float32_sums_of_bfloat16(platform):
    """CUDA's kernels sum in float32 and give bfloat16: XLA would widen their operands else."""

    def gradient(x, kernel):
        total = lambda k: jnp.sum(conv(x, k, 1, 1).astype(jnp.float32))  # noqa: E731
        return jax.grad(total)(kernel)

    x = jax.ShapeDtypeStruct((2, 8, 8, 16), jnp.bfloat16)
    kernel = jax.ShapeDtypeStruct((3, 3, 16, 8), jnp.float32)
    exported = jax.export.export(jax.jit(gradient), platforms=[platform])(x, kernel)
    assert exported.out_avals[0].dtype == jnp.float32
    found = convolutions(exported.mlir_module())[-1]
    assert "(tensor<2x8x8x16xbf16>, tensor<2x8x8x8xbf16>)" in found
    assert f"-> tensor<3x3x16x8x{'bf16' if platform == 'cuda' else 'f32'}>" in found


@pytest.mark.parametrize("platform, native", [("cpu", 0), ("cuda", 0), ("tpu", 1)])
def test_a_convolution_to_grey_is_a_product_but_on_tpus(platform, native):
    text = lowered(lambda x, k: conv(x, k, 1, 0), platform, (1, 8, 8, 16), (1, 1, 16, 1))
    assert len(convolutions(text)) == native
    assert ("stablehlo.dot_general" in text) == (not native)


def test_the_filter_is_one_expression_on_cuda_and_the_same_numbers():
    def at_once(x):
        from gancmri_jax.ops.resample import _fir_at_once

        return _fir_at_once(jnp.pad(x, ((0, 0), (1, 2), (1, 2), (0, 0))))

    x = jax.random.normal(jax.random.key(0), (2, 9, 7, 3))
    one, two = jax.jit(at_once)(x), jax.jit(lambda x: fir(x, (1, 2)))(x)
    assert jnp.max(jnp.abs(one - two)) < 1e-5
    narrow = x.astype(jnp.bfloat16)
    assert jax.jit(at_once)(narrow).dtype == jnp.bfloat16
    slices = {
        platform: lowered(lambda x: fir(x, (1, 2)), platform, (2, 9, 7, 3)).count("stablehlo.slice")
        for platform in ("cpu", "cuda", "tpu")
    }
    assert slices == {"cpu": 8, "cuda": 16, "tpu": 8}


def test_an_exported_generator_is_each_platforms_own():
    generator = Generator(8, z_dim=8, w_dim=8, mapping_layers=1, channel_base=64, channel_max=8)
    params = jax.eval_shape(generator.init, jax.random.key(0), jnp.zeros((1, 8)))
    ws = jax.ShapeDtypeStruct((1, generator.num_ws, 8), jnp.float32)

    def render(params, ws):
        return generator.apply(params, ws, method="synthesize")

    text = {
        platform: jax.export.export(jax.jit(render), platforms=[platform])(params, ws).mlir_module()
        for platform in ("cpu", "cuda")
    }
    # 3×3 at 4², up and 3×3 at 8², to grey at both, which is a product: up is four on a CPU.
    assert {name: len(convolutions(each)) for name, each in text.items()} == {"cpu": 6, "cuda": 3}
