import jax
import jax.numpy as jnp
import numpy as np

from gancmri_jax.benchmarks import latents
from gancmri_jax.benchmarks.measure import ON_CPU, Timing
from gancmri_jax.latents.superres import codes_at, dense_times, read_at, transitions


def test_all_subjects_are_learned_from_and_timed(monkeypatch):
    monkeypatch.setattr(latents, "NUM_WS", 2)
    monkeypatch.setattr(latents, "W_DIM", 4)
    timed = lambda work, rounds: Timing(work() or 0.5, 100.0, None, ON_CPU)  # noqa: E731
    monkeypatch.setattr(latents, "time_rounds", timed)
    result = latents.benchmark_latents(subjects=3, rounds=1)
    assert result.rate == ("subjects_per_second", 6.0) and result.fraction is None
    assert result.settings == dict(subjects=3, frames=50, num_ws=2, w_dim=4)


def test_frames_between_frames_are_mapped_over_subjects():
    ws = jnp.asarray(np.random.default_rng(0).normal(size=(3, 6, 2, 4)), jnp.float32)
    times = dense_times(6, 2)
    mapped = jax.vmap(lambda one: read_at(one[0], transitions(one), times))(ws)
    for one, found in zip(ws, mapped, strict=True):
        np.testing.assert_allclose(found, codes_at(one[0], transitions(one), times), atol=1e-6)
        np.testing.assert_allclose(found[::2], one, atol=1e-5)  # frames that were there
