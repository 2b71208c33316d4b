import numpy as np
import pytest

from gancmri_jax.projection.settings import Settings, learning_rate, w_noise


def test_learning_rate_by_hand():
    settings = Settings(num_steps=1000)
    rates = [float(learning_rate(step, settings)) for step in (0, 25, 50, 500, 750, 875, 1000)]
    np.testing.assert_allclose(rates, [0, 0.05, 0.1, 0.1, 0.1, 0.05, 0], atol=1e-7)


def test_noise_on_w_by_hand():
    # 0.05 · (1 − t / 0.75)² up to three quarters of the way, and none after.
    settings = Settings(num_steps=1000)
    amplitudes = [float(w_noise(step, settings)) for step in (0, 375, 750, 900)]
    np.testing.assert_allclose(amplitudes, [0.05, 0.0125, 0, 0], atol=1e-7)


@pytest.mark.parametrize(
    ("num_steps", "chunk", "looks"),
    [
        (1, 1, 1),
        (10, 10, 1),
        (50, 10, 5),
        (250, 25, 10),
        (300, 15, 20),
        (1000, 50, 20),
        (37, 10, 4),
    ],
)
def test_chunks_come_out_even_where_they_can(num_steps, chunk, looks):
    settings = Settings(num_steps=num_steps)
    assert (settings.chunk, settings.num_looks) == (chunk, looks)


def test_an_encoders_guess_gets_no_noise():
    settings = Settings(num_steps=1000, start="encoder")
    assert settings.w_noise == 0  # and so it stands in a store's provenance
    assert all(float(w_noise(step, settings)) == 0 for step in (0, 375, 900))
    assert float(w_noise(0, Settings(start="encoder", w_noise=0.02))) == pytest.approx(0.02)
