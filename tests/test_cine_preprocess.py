import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.preprocess import preprocess, to_model_range, to_uint8
from gancmri_jax.errors import InputError


def cine(pixels, spacing_mm=(1.0, 1.0)):
    return Cine(np.asarray(pixels), spacing_mm, 20.0, "heart", es_frame=1)


def test_the_window_is_of_the_whole_sequence():
    frames = np.zeros((2, 10, 10), np.uint16)
    frames[0] = np.arange(100).reshape(10, 10)
    frames[1] = frames[0] + 100  # 0 ... 199: percentiles 1 and 99 are 1.99 and 197.01
    done = preprocess(cine(frames), 10)
    expected = np.clip((frames - 1.99) / (197.01 - 1.99), 0, 1) * 255
    np.testing.assert_array_equal(done.pixels, np.round(expected))
    assert done.pixels.dtype == np.uint8
    assert (done.frame_ms, done.subject, done.es_frame) == (20.0, "heart", 1)


def test_twelve_bits_are_not_cut_before_the_window():
    frames = np.full((2, 8, 8), 1000, np.uint16)
    frames[:, 4:] = 1001
    done = preprocess(cine(frames), 8)
    assert (done.pixels[:, :4] == 0).all() and (done.pixels[:, 4:] == 255).all()


def test_stretch_makes_the_spacing_of_the_paper():
    ramp = np.broadcast_to(np.arange(180.0), (2, 208, 180))
    done = preprocess(cine(ramp, (1.827, 1.827)), 256)
    assert done.pixels.shape == (2, 256, 256)
    assert done.spacing_mm == pytest.approx((1.484, 1.285), abs=5e-4)


def test_pad_keeps_millimetres_square_and_fills_with_black():
    frames = np.full((2, 40, 20), 5.0)
    frames[:, ::2] = 9.0
    done = preprocess(cine(frames, (1.0, 1.0)), 20, fit="pad")
    assert done.spacing_mm == (2.0, 2.0)
    assert (done.pixels[:, :, :5] == 0).all() and (done.pixels[:, :, 15:] == 0).all()
    assert (done.pixels[:, 2:-2, 5:15] > 100).all()
    # 20 columns of 2 mm are as wide as 40 rows of 1 mm are high.
    square = preprocess(cine(frames, (1.0, 2.0)), 20, fit="pad")
    assert square.spacing_mm == (2.0, 2.0) and (square.pixels[:, 2:-2] > 100).all()


def test_shrinking_is_antialiased():
    frames = np.zeros((2, 64, 64))
    frames[:, :, ::2] = 1.0  # stripes of one pixel become their mean
    done = preprocess(cine(frames), 16, percentiles=(0, 100))
    np.testing.assert_allclose(done.pixels[:, :, 2:-2], 127.5, atol=2)


def test_frames_are_not_blended_in_time():
    rng = np.random.default_rng(0)
    frames = rng.random((5, 12, 12))
    done = preprocess(cine(frames), 8, percentiles=(0, 100)).pixels
    order = [3, 0, 4, 1, 2]
    shuffled = preprocess(cine(frames[order]), 8, percentiles=(0, 100)).pixels
    np.testing.assert_array_equal(shuffled, done[order])


@pytest.mark.parametrize("value", [7.0, np.nan])
def test_no_contrast_and_no_numbers_are_errors(value):
    with pytest.raises(InputError, match="heart: "):
        preprocess(cine(np.full((2, 8, 8), value)), 8)


def test_percentiles_must_rise():
    with pytest.raises(InputError, match="percentiles"):
        preprocess(cine(np.arange(128.0).reshape(2, 8, 8)), 8, percentiles=(99, 1))


def test_model_range_goes_there_and_back():
    levels = np.arange(256, dtype=np.uint8)
    images = to_model_range(levels)
    assert images.dtype == np.float32 and images[[0, -1]].tolist() == [-1, 1]
    np.testing.assert_array_equal(to_uint8(images), levels)
    np.testing.assert_array_equal(to_uint8(np.float32([-3, 3])), [0, 255])
    np.testing.assert_allclose(to_model_range(jnp.asarray(levels)), images, atol=1e-7)
