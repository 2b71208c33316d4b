import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cine.phantom.anatomy import (
    CORRELATIONS,
    PHYSIOLOGY,
    TRUNCATE_SD,
    UNIT_AREA,
    Rhythm,
    correlation_matrix,
    draw_subject,
)
from gancmri_jax.cine.phantom.motion import APEX_WALL, es_phase, pose

COUNT = 400
PHASES = 200


@jax.jit
def beat(subject):
    """Poses [phase]."""
    return jax.vmap(pose, in_axes=(None, 0))(subject, jnp.arange(PHASES) / PHASES)


@pytest.fixture(scope="module")
def population():
    return jax.vmap(draw_subject)(jax.random.split(jax.random.key(7), COUNT))


@pytest.fixture(scope="module")
def beats(population):
    """Poses [subject phase]."""
    by_phase = jax.vmap(pose, in_axes=(None, 0))
    return jax.jit(jax.vmap(by_phase, in_axes=(0, None)))(population, jnp.arange(PHASES) / PHASES)


def test_correlations_can_all_be_true_at_once():
    assert np.linalg.eigvalsh(correlation_matrix()).min() > 0


def test_physiology_is_drawn_as_documented(population):
    area_cm2 = population.length_mm * population.half_width_mm * UNIT_AREA / 100
    sphericity = 2 * population.half_width_mm / population.length_mm
    drawn = {
        "lv_area_ed_cm2": area_cm2,
        "sphericity": sphericity,
        "ef": population.ef,
        "wall_ed_mm": population.wall_mm,
        "heart_rate_bpm": population.heart_rate_bpm,
        "habitus": population.habitus,
    }
    for name, values in drawn.items():
        mean, sd = PHYSIOLOGY[name]
        assert float(jnp.mean(values)) == pytest.approx(mean, abs=4 * sd / COUNT**0.5), name
        assert float(jnp.std(values)) == pytest.approx(sd, rel=0.15), name
        assert float(jnp.abs(values - mean).max()) <= (TRUNCATE_SD + 1e-3) * sd, name
    found = np.corrcoef(np.stack([np.asarray(drawn[name]) for name in PHYSIOLOGY]))
    np.testing.assert_allclose(found, correlation_matrix(), atol=0.17)
    assert CORRELATIONS["lv_area_ed_cm2", "sphericity"] < 0.2  # directions a GAN can tell apart


def test_a_beat_closes_without_a_jump(population):
    first = jax.tree.map(lambda field: field[0], population)
    for start, end in zip(
        pose(first, jnp.asarray(0.0)), pose(first, jnp.asarray(1.0)), strict=True
    ):
        np.testing.assert_array_equal(start, end)
    for start, end in zip(
        pose(first, jnp.asarray(0.0)), pose(first, jnp.asarray(0.9999)), strict=True
    ):
        if start != 0.0 or end < 0.99:  # the phase itself runs from 0 to 1
            np.testing.assert_allclose(start, end, atol=1e-2)


def test_volume_falls_in_systole_and_returns_in_diastole(beats):
    volume = np.asarray(beats.half_width**2 * beats.length)
    es = volume.argmin(axis=1)
    assert np.all((0.25 < es / PHASES) & (es / PHASES < 0.5))
    steps = np.diff(volume, axis=1) / volume[:, :1]
    before = np.arange(PHASES - 1)[None, :] < es[:, None]
    assert np.all(steps[before] <= 1e-5)
    assert np.all(steps[~before] >= -1e-5)
    assert np.all(volume <= volume[:, :1] * (1 + 1e-5))  # no heart is larger than at ED


def test_ejection_fraction_is_the_drawn_one(population, beats):
    volume = beats.half_width**2 * beats.length
    np.testing.assert_allclose(1 - volume.min(axis=1) / volume[:, 0], population.ef, atol=2e-3)


def test_the_wall_thickens_and_the_myocardium_keeps_its_volume(beats):
    outer = (beats.half_width + beats.wall) ** 2 * (beats.length + APEX_WALL * beats.wall)
    myocardium = np.asarray(outer - beats.half_width**2 * beats.length)
    np.testing.assert_allclose(myocardium, myocardium[:, :1] * np.ones(PHASES), rtol=1e-4)
    thickening = np.asarray(beats.wall.max(axis=1) / beats.wall[:, 0])
    assert np.all((1.1 < thickening) & (thickening < 2.0))


def test_atria_fill_while_ventricles_empty(beats):
    ejected, reservoir = np.asarray(beats.ejected), np.asarray(beats.reservoir)
    assert min(np.corrcoef(e, r)[0, 1] for e, r in zip(ejected, reservoir, strict=True)) > 0.9
    annulus = np.asarray(beats.tricuspid_lateral)
    np.testing.assert_array_equal(annulus.argmin(axis=1), ejected.argmax(axis=1))


def test_valves_are_shut_in_systole_and_open_in_early_filling(beats):
    es = np.asarray(beats.ejected).argmax(axis=1)
    opened = np.asarray(beats.valves_open)
    assert np.all(opened[np.arange(COUNT), es] == 0)
    assert np.all(opened.max(axis=1) > 0.7)


@pytest.mark.parametrize("rate", [40.0, 65.0, 150.0])
@pytest.mark.parametrize("phase", [0.22, 0.4, 0.58])
def test_es_comes_when_asked_whatever_the_heart_rate(population, rate, phase):
    subject = jax.tree.map(lambda field: field[0], population)._replace(
        heart_rate_bpm=jnp.asarray(rate),
        rhythm=Rhythm(es_phase=jnp.asarray(phase), kick=jnp.asarray(1.0)),
    )
    ejected = np.asarray(beat(subject).ejected)
    assert ejected.argmax() / PHASES == pytest.approx(phase, abs=1 / PHASES)
    assert ejected.max() == pytest.approx(1) and es_phase(subject) == pytest.approx(phase)
    assert ejected[0] == 0 and abs(ejected[-1]) < 0.02  # filled again before the next beat
    assert np.all(np.diff(ejected)[: int(phase * PHASES) - 1] >= -1e-6)


def test_fibrillating_atria_do_not_kick(population):
    subject = jax.tree.map(lambda field: field[0], population)
    filling, annulus = {}, {}
    for kick in (0.0, 1.0):
        rhythm = Rhythm(es_phase=jnp.asarray(0.35), kick=jnp.asarray(kick))
        poses = beat(subject._replace(rhythm=rhythm))
        late = slice(int(0.84 * PHASES), None)
        filling[kick] = -np.diff(np.asarray(poses.ejected))[late]
        annulus[kick] = np.diff(np.asarray(poses.tricuspid_lateral))[late]
        opened = np.asarray(poses.valves_open)[late]
        assert np.any(np.diff(opened) > 0.01) == bool(kick)  # they open once more, or only close
        volume = np.asarray(poses.ejected)
        assert volume.max() == pytest.approx(1) and abs(volume[-1]) < 0.02
    # With a kick both move fast late in diastole; without, they creep ever more slowly.
    assert filling[1.0].max() > 2 * filling[0.0].max()
    assert annulus[1.0].max() > 2 * annulus[0.0].max()
    assert np.all(np.diff(filling[0.0]) < 1e-5)


def test_the_normal_time_of_es_follows_heart_rate(population):
    subject = jax.tree.map(lambda field: field[0], population)._replace(
        heart_rate_bpm=jnp.asarray(60.0)
    )
    # 45 ms of contraction and 413 − 1.7 · 60 ms of ejection, of a second.
    assert es_phase(subject) == pytest.approx(0.356)
