import numpy as np

from gancmri_jax.video.render import render_uint8
from tests.tiny import tiny_model


def test_pixels_are_the_clipped_and_rounded_frames():
    model = tiny_model()
    path = 3 * model.beat(model.sample(0))[:4]  # so large that some pixels are clipped
    frames = model.render(path)[..., 0]
    assert np.abs(frames).max() > 1
    expected = np.clip(np.rint((frames + 1) * 127.5), 0, 255)
    np.testing.assert_array_equal(render_uint8(model, path), expected)
