import numpy as np
import pytest

from gancmri_jax.training.leak import leak, statistics

RNG = np.random.default_rng(0)


def hearts(num, shift=0, light=0):
    """Discs of brightness 100 ± `light`, up to `shift` pixels from the centre."""
    at = np.arange(32) - 15.5
    frames = []
    for _ in range(num):
        row, column = at[:, None] - RNG.uniform(-1, 1) * (shift + 1), at[None] - RNG.uniform(-1, 1)
        frames.append((row**2 + column**2 < 64) * (100 + RNG.uniform(-1, 1) * (light + 5)))
    return np.stack(frames).astype(np.uint8)


def test_a_frames_statistics_by_hand():
    frame = np.zeros((1, 4, 4), np.uint8)
    frame[0, 1, 3] = 160
    np.testing.assert_allclose(statistics(frame)[0], [10, 160 * (15 / 256) ** 0.5, 1 / 4, 3 / 4])


def test_images_that_move_or_flicker_more_than_real_ones_leak():
    real = hearts(64)
    assert leak(real, hearts(64)) == pytest.approx(1, abs=0.35)
    assert leak(real, hearts(64, shift=4)) > 2
    assert leak(real, hearts(64, light=40)) > 2
