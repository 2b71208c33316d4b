"""Fine detail in space and in time, of pictures whose spectrum is known."""

import numpy as np
import pytest

from gancmri_jax.metrics.spectrum import high_frequency_power, liveliness

ALL = np.ones((32, 32), bool)


def noise(shape, sd=10.0, seed=0):
    return np.random.default_rng(seed).normal(scale=sd, size=shape)


def test_white_noise_has_its_share_of_power_at_high_frequencies():
    """A disc of radius a quarter of the band holds π/16 of it; the rest is high."""
    power = high_frequency_power(noise((50, 64, 64)))
    assert power == pytest.approx(100 * (1 - np.pi / 16), rel=0.03)


@pytest.mark.parametrize(("cycles", "share"), [(20, 1.0), (8, 0.0)])
def test_a_wave_is_high_or_it_is_not(cycles, share):
    x = np.arange(64)
    wave = np.broadcast_to(10 * np.cos(2 * np.pi * cycles * x / 64), (1, 64, 64))
    assert high_frequency_power(wave) == pytest.approx(50 * share, abs=0.5)
    assert high_frequency_power(wave.swapaxes(1, 2)) == pytest.approx(50 * share, abs=0.5)


def beat(harmonic, amplitude):
    t = np.arange(50)[:, None, None]
    phase = noise((32, 32), 3.0, seed=1)
    return amplitude * np.cos(2 * np.pi * harmonic * t / 50 + phase) + np.zeros((50, 32, 32))


def test_only_what_is_faster_than_the_sixth_harmonic_counts():
    assert liveliness(beat(6, 5.0), ALL) == pytest.approx(0, abs=1e-9)
    assert liveliness(beat(7, 5.0), ALL) == pytest.approx(5 / 2**0.5)


def test_white_noise_is_left_out():
    assert liveliness(noise((50, 32, 32)), ALL) < 2.5  # of 10
    noisy = beat(8, 5.0) + noise((50, 32, 32), 3.0)
    assert liveliness(noisy, ALL) == pytest.approx(5 / 2**0.5, rel=0.05)


def test_other_pixels_do_not_count():
    where = ALL & (np.arange(32) < 16)
    video = np.where(where, 0.0, beat(8, 5.0))
    assert liveliness(video, where) == 0


def test_without_pixels_or_frames_there_is_no_number():
    assert np.isnan(liveliness(beat(8, 5.0), ~ALL))
    assert np.isnan(liveliness(beat(8, 5.0)[:10], ALL))
