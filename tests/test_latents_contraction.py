import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.latents.contraction import fit_contraction
from tests.test_latents_motions import contraction

WAY = contraction(20)
K = np.array([[4.0, 0.0, 0.0]])


def study(spread, hearts=24):
    """Beats [v t 1 3] along K, of hearts that differ by so much in each number of their codes."""
    starts = np.random.default_rng(0).normal(size=(hearts, 1, 1, 3)) * spread
    return jnp.asarray(starts + WAY[:, None, None] * K, jnp.float32), jnp.asarray(K, jnp.float32)


def test_the_moment_of_a_frame_is_read_of_a_heart_never_seen():
    ws, k = study([0.0, 3.0, 3.0])
    learned, explained = fit_contraction(ws[1:], k)
    assert explained > 0.999
    for frame in (0, 10, 20, 40):
        found = float(learned.of(ws[0, frame]))
        assert found == pytest.approx(WAY[frame], abs=0.01)


def test_what_tells_hearts_apart_hides_it():
    explained = [fit_contraction(*study([sd, 3.0, 3.0]))[1] for sd in (0.0, 1.0, 4.0, 40.0)]
    assert explained == sorted(explained, reverse=True)
    # Of variances along k: that of the beat over that of the beat and of hearts.
    beat = 16 * WAY[np.arange(10) * 5].var()
    assert explained[1] == pytest.approx(beat / (beat + 1), abs=0.15)
    assert explained[3] < 0.05
