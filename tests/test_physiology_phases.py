import numpy as np
import pytest

from gancmri_jax.physiology.phases import FEWEST, Phases, find_phases, starts_at

FINE = np.arange(100_000) / 100_000


def area_cm2(at, es=0.36):
    """A beat from 30 to 16 cm², slow to fill: ES at about `es`, a plateau late in diastole."""
    angle = 2 * np.pi * (at - es)
    return 24 - 6.5 * np.cos(angle) - 1.5 * np.cos(2 * angle) - 1.2 * np.sin(2 * angle)


@pytest.mark.parametrize("frames", [20, 25, 30, 50])
@pytest.mark.parametrize("es", [0.3, 0.37, 0.52])
def test_es_is_within_a_tenth_of_a_frame(frames, es):
    phases = find_phases(area_cm2(np.arange(frames) / frames, es))
    expected = FINE[area_cm2(FINE, es).argmin()] * frames
    assert phases.es_phase == pytest.approx(expected, abs=0.1)
    np.testing.assert_allclose(phases.areas, area_cm2(np.arange(frames) / frames, es), rtol=0.01)


def test_noise_is_smoothed():
    rng = np.random.default_rng(3)
    true, expected = area_cm2(np.arange(50) / 50), 50 * FINE[area_cm2(FINE).argmin()]
    smooth, raw, es_errors = [], [], []
    for _ in range(20):
        noisy = true + 0.5 * rng.normal(size=50)  # 1.7 % of ED
        phases = find_phases(noisy)
        smooth.append(np.abs(phases.areas - true).mean())
        raw.append(np.abs(noisy - true).mean())
        es_errors.append(abs(phases.es_phase - expected))
    assert np.mean(smooth) < 0.6 * np.mean(raw)
    assert np.median(es_errors) < 0.6


def test_a_beat_that_starts_later_ends_as_much_earlier():
    areas = area_cm2(np.arange(40) / 40)
    here, later = find_phases(areas), find_phases(np.roll(areas, 31))
    assert (here.es_phase + 31) % 40 == pytest.approx(later.es_phase, abs=1e-3)
    np.testing.assert_allclose(np.roll(here.areas, 31), later.areas, rtol=1e-6)


def test_frames_without_a_ventricle_are_made_up_for():
    areas = area_cm2(np.arange(50) / 50)
    holes = areas.copy()
    holes[[0, 17, 18]] = 0
    assert find_phases(holes).es_phase == pytest.approx(find_phases(areas).es_phase, abs=0.5)
    assert find_phases(np.zeros(50)) is None


def test_spikes_are_interpolated():
    areas = area_cm2(np.arange(50) / 50)
    spiked = areas.copy()
    spiked[[30, 41]] = 8, 45
    smooth = find_phases(spiked)
    assert smooth.es_phase == pytest.approx(find_phases(areas).es_phase, abs=0.2)
    np.testing.assert_allclose(smooth.areas, areas, rtol=0.02)


def test_few_frames_are_taken_as_they_are():
    areas = np.array([9.0, 0.0, 4.0, 6.0])
    assert len(areas) < FEWEST
    phases = find_phases(areas)
    assert phases.es_phase == 2 and phases.ed_frame == 0
    np.testing.assert_array_equal(phases.areas, areas)
    assert find_phases(np.full(12, 3.0)).areas == pytest.approx(3)


def test_ed_is_frame_0_unless_the_ventricle_is_clearly_larger_elsewhere():
    areas = area_cm2(np.arange(50) / 50, es=0.55)
    phases = find_phases(areas)
    assert phases.areas[0] < phases.areas.max()
    assert starts_at(0, phases) == 0
    turned = find_phases(np.roll(areas, 20))
    assert starts_at(0, turned) == turned.ed_frame == (areas.argmax() + 20) % 50
    # Noise in a heart that hardly beats is no other ED.
    still = Phases(np.array([30.0, 29.8, 29.9, 30.2]), 1.0, 3)
    assert starts_at(0, still) == 0
