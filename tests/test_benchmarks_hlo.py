# ruff: noqa: E501
import pytest

from gancmri_jax.benchmarks.hlo import float32_sides, read_program

GPU = """\
HloModule jit_step, is_scheduled=true

%fused (param_0: f32[4,8], param_1: f32[8,2]) -> f32[4,2] {
  %param_0 = f32[4,8]{1,0} parameter(0)
  %param_1 = f32[8,2]{1,0} parameter(1)
  ROOT %dot.1 = f32[4,2]{1,0} dot(%param_0, %param_1), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}

%body (p: (f32[4,8], s32[])) -> (f32[4,8], s32[]) {
  %p = (f32[4,8]{1,0}, s32[]) parameter(0)
  %g.1 = f32[4,8]{1,0} get-tuple-element(%p), index=0
  %n = f32[4,8]{1,0} negate(%g.1)
  ROOT %t = (f32[4,8]{1,0}, s32[]) tuple(%n, %n)
}

ENTRY %main (x: bf16[2,16,16,8], k: bf16[4,3,3,8], a: f32[4,8], b: f32[8,2]) -> f32[4,2] {
  %x = bf16[2,16,16,8]{3,2,1,0} parameter(0)
  %k = bf16[4,3,3,8]{3,2,1,0} parameter(1)
  %a = f32[4,8]{1,0} parameter(2)
  %b = f32[8,2]{1,0} parameter(3)
  %conv.1 = (bf16[2,16,16,4]{3,2,1,0}, u8[0]{0}) custom-call(%x, %k), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convForward"
  %y = bf16[2,16,16,4]{3,2,1,0} get-tuple-element(%conv.1), index=0
  %wide = f32[2,4,4,4]{3,2,1,0} fusion(%y), kind=kLoop, calls=%fused
  %conv.2 = (f32[4,3,3,8]{3,2,1,0}, u8[0]{0}) custom-call(%wide, %wide), window={size=3x3}, dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convBackwardFilter"
  %ar = f32[4,2]{1,0} all-reduce-start(%a), to_apply=%fused
  %ard = f32[4,2]{1,0} all-reduce-done(%ar)
  %w = (f32[4,8]{1,0}, s32[]) while(%a), condition=%cond, body=%body
  %looked = f32[4,2]{1,0} gather(%a, %b), offset_dims={1}
  ROOT %out = f32[4,2]{1,0} fusion(%a, %b), kind=kOutput, calls=%fused
}
"""


def test_a_program_is_read():
    found = read_program(GPU)
    assert found.collectives == {"all-reduce": 1} and found.reduced == {"f32"}
    assert (found.gathers, found.callbacks) == (1, 0)
    assert found.float32_sides == [4]
    # 2 · y · taps · channels in: of 16², of the gradient (y is 2·4·4·4), and of one product.
    forward, gradient = 2 * (2 * 16 * 16 * 4) * 9 * 8, 2 * (2 * 4 * 4 * 4) * 9 * 8
    assert found.gflop == pytest.approx((forward + gradient + 2 * 4 * 2 * 8) / 1e9)


def test_bytes_are_those_of_operands_and_results():
    x, k, y, wide = 2 * 16 * 16 * 8 * 2, 4 * 9 * 8 * 2, 2 * 16 * 16 * 4 * 2, 2 * 4 * 4 * 4 * 4
    a, b, out = 4 * 8 * 4, 8 * 2 * 4, 4 * 2 * 4
    kernels = (x + k + y) + (y + wide) + (2 * wide + 4 * 9 * 8 * 4) + (a + out) + 2 * (a + b + out)
    loop = 2 * a  # of one round
    assert read_program(GPU).gbytes == pytest.approx((kernels + loop) / 1e9)


def test_a_callback_is_seen_but_not_a_name():
    named = GPU.replace("kind=kOutput", 'kind=kOutput, metadata={op_name="callback"}')
    assert read_program(named).callbacks == 0
    called = 'custom-call(%a), custom_call_target="xla_ffi_python_gpu_callback"'
    assert read_program(GPU.replace("gather(%a, %b)", called)).callbacks == 1


def test_float32_convolutions_are_found_in_what_is_asked_for():
    def asked(labels, sizes, dtype):
        return (
            f"%5 = stablehlo.convolution(%3, %4) dim_numbers = [{labels}]x[0, 1, i, o]->"
            f"[b, 0, 1, f], window = {{pad = [[1, 1], [1, 1]]}} {{batch_group_count = 1 : i64}} "
            f": (tensor<{sizes}x{dtype}>, tensor<3x3x9x8x{dtype}>) -> tensor<4x4x4x8x{dtype}>\n"
        )

    text = asked("b, 0, 1, f", "32x4x4x9", "f32") + asked("f, 0, 1, b", "8x64x32x9", "f32")
    assert float32_sides(text + asked("b, 0, 1, f", "8x128x128x9", "bf16")) == [4, 64]
