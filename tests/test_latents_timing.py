"""Beats that are read faster and slower in their parts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cine.phantom.motion import es_phase
from gancmri_jax.cine.phantom.population import draw
from gancmri_jax.errors import InputError
from gancmri_jax.latents.motions import EdToEs, MeanSteps
from gancmri_jax.latents.timing import es_part, events, own_es, rate_of, retimed
from gancmri_jax.model.motion import LearnedMotion, Motion

K = jnp.array([[3.0, 4.0]])
ES = 0.36


def beat(frames=400, es=ES):
    """Along k: out by a ramp in systole, back in diastole; 1 at ES alone."""
    at = np.arange(frames) / frames
    part = np.where(at < es, at / es, (1 - at) / (1 - es))
    return jnp.asarray((3 * part**2 - 2 * part**3)[:, None, None] * np.asarray(K), jnp.float32)


def es_of(offsets):
    return float(own_es(offsets, K))


@pytest.mark.parametrize("es", [0.25, 0.36, 0.5])
def test_es_falls_where_it_is_asked(es):
    offsets = retimed(beat(), K, 50, None, es)
    assert es_of(offsets) == pytest.approx(es, abs=0.011)
    np.testing.assert_allclose(offsets[0], 0, atol=1e-6)
    assert float(jnp.max(offsets @ K[0]) / 25) == pytest.approx(1, abs=0.01)


def test_the_own_timing_changes_nothing():
    np.testing.assert_allclose(retimed(beat(), K, 50, None, None), beat(50), atol=1e-4)
    own = float(rate_of(ES))
    np.testing.assert_allclose(retimed(beat(), K, 50, own, None), beat(50), atol=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_es_is_where_phantoms_have_it(seed):
    subject = draw(jax.random.key(seed))
    np.testing.assert_allclose(es_part(subject.heart_rate_bpm), es_phase(subject), rtol=1e-5)


def test_rates_and_phases_are_each_others_inverse():
    for rate in (40.0, 60.0, 90.0, 120.0):
        np.testing.assert_allclose(rate_of(es_part(rate)), rate, rtol=1e-3)
    assert 20 <= float(rate_of(0.7)) <= 130  # beyond what the regression has


@pytest.mark.parametrize("rate", [30, 60, 90, 140, 200])
def test_events_are_in_order_at_any_rate(rate):
    for es in (float(es_part(rate)), 0.2, 0.6):
        assert (np.diff(events(rate, es)) > 0).all()


def test_diastole_shortens_more_than_systole():
    slow, fast = (np.diff(events(rate, es_part(rate))) * 60_000 / rate for rate in (60, 100))
    systole, diastole = (fast[0] / slow[0], fast[1:].sum() / slow[1:].sum())
    assert diastole < 0.6 < 0.8 < systole < 1
    rest = fast[2] / slow[2]
    assert rest < diastole  # diastasis goes first


def test_a_motion_has_depth_rate_and_phase():
    learned = LearnedMotion((EdToEs(K), MeanSteps(jnp.diff(beat(50), axis=0))))
    start = jnp.array([[10.0, 20.0]])
    plain = learned.path(start, Motion("mean"))
    half = learned.path(start, Motion("mean", depth=0.5))
    np.testing.assert_allclose(
        half - start[None], 0.5 * (plain - start[None]), rtol=1e-5, atol=1e-5
    )
    early = learned.path(start, Motion("mean", es_percent=25))
    assert es_of(early - start[None]) == pytest.approx(0.25, abs=0.021)
    motion = Motion("mean", heart_rate_bpm=100, num_frames=25)
    assert motion.frame_ms == pytest.approx(24)
    fast = learned.path(start, motion)
    assert es_of(fast - start[None]) == pytest.approx(float(es_part(100)), abs=0.041)
    assert fast.shape == (25, 1, 2) and Motion().frame_ms is None
    jitted = jax.jit(lambda w: learned.path(w, motion))(start)
    np.testing.assert_allclose(jitted, fast, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"depth": -0.1}, "depth is from 0 to 3"),
        ({"heart_rate_bpm": 300}, "heart_rate_bpm is from 25 to 220, got 300"),
        ({"es_percent": 80}, "es_percent is from 15 to 70"),
    ],
)
def test_what_no_heart_does_is_refused(changes, said):
    with pytest.raises(InputError, match=said):
        Motion(**changes)
