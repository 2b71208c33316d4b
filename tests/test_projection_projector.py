import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.networks.generator import draw_noise
from gancmri_jax.projection.project import problem_of, single_frames
from gancmri_jax.projection.projector import (
    autocorrelation,
    begin,
    gradient,
    learning_rate,
    normalize_noise,
    see,
    take_steps,
    w_noise,
)
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.start import w_statistics
from tests.tiny import tiny_model


def test_learning_rate_by_hand():
    settings = Settings(num_steps=1000)
    rates = [float(learning_rate(step, settings)) for step in (0, 25, 50, 500, 750, 875, 1000)]
    np.testing.assert_allclose(rates, [0, 0.05, 0.1, 0.1, 0.1, 0.05, 0], atol=1e-7)


def test_noise_on_w_by_hand():
    # 0.05 · (1 − t / 0.75)² up to three quarters of the way, and none after.
    settings = Settings(num_steps=1000)
    amplitudes = [float(w_noise(step, settings)) for step in (0, 375, 750, 900)]
    np.testing.assert_allclose(amplitudes, [0.05, 0.0125, 0, 0], atol=1e-7)


def test_an_encoders_guess_gets_no_noise():
    settings = Settings(num_steps=1000, start="encoder")
    assert settings.w_noise == 0  # and so it stands in a store's provenance
    assert all(float(w_noise(step, settings)) == 0 for step in (0, 375, 900))
    assert float(w_noise(0, Settings(start="encoder", w_noise=0.02))) == pytest.approx(0.02)


def test_autocorrelation_by_hand():
    # Stripes along one axis: shifted by one along it they turn over, along the other they stay.
    stripes = jnp.broadcast_to((-1.0) ** jnp.arange(8)[:, None], (8, 8))
    np.testing.assert_allclose(autocorrelation((stripes,)), 2.0, rtol=1e-6)
    # At 16² the same stripes vanish in the pooled level; a constant counts on both levels.
    stripes = jnp.broadcast_to((-1.0) ** jnp.arange(16)[:, None], (16, 16))
    np.testing.assert_allclose(autocorrelation((stripes,)), 2.0, rtol=1e-6)
    np.testing.assert_allclose(autocorrelation((jnp.ones((16, 16)),)), 4.0, rtol=1e-6)


def test_noise_is_normalised_map_by_map():
    levels = jnp.array([[1.0, 3.0], [1.0, 3.0]]), jnp.array([[0.0, 8.0], [8.0, 0.0]])
    out = normalize_noise(levels)
    np.testing.assert_allclose(out[0], [[-1, 1], [-1, 1]], rtol=1e-6)
    np.testing.assert_allclose(out[1], [[-1, 1], [1, -1]], rtol=1e-6)


@pytest.fixture(scope="module")
def posed():
    """A problem, three clips of a frame each, what the distance sees, and where they begin."""
    model = tiny_model(resolution=8)
    targets = model.synthesize(model.map(jax.random.normal(jax.random.key(5), (3, 8))))
    keys = jnp.stack([jax.random.key(seed) for seed in range(3)])
    statistics = w_statistics(model)
    identity = jnp.repeat(statistics.mean[None, None], 3, axis=0)
    problem = problem_of(model, Settings(stop_at=0.0), statistics)
    noise = draw_noise(keys[0], 8, 3)
    clips, variables = single_frames(targets, keys, identity, noise)
    return problem, clips, see(problem, clips), variables


@pytest.mark.slow
def test_the_gradient_of_a_clip_does_not_depend_on_the_clips_beside_it(posed):
    """In float32."""
    problem, *all_clips = posed
    of_clips = jax.jit(jax.vmap(gradient, in_axes=(None, 0, 0, 0, 0)))

    def gradients(clips, seen, variables):
        return of_clips(problem, clips, seen, variables, jnp.zeros_like(variables.identity))

    together = gradients(*all_clips)
    for index in range(3):
        one = slice(index, index + 1)
        alone = gradients(*jax.tree.map(lambda leaf, one=one: leaf[one], all_clips))
        for whole, part in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            scale = float(jnp.abs(part).max()) if part.size else 0.0
            np.testing.assert_allclose(whole[one], part, rtol=1e-5, atol=1e-5 * scale)


def test_clips_share_one_convolution_and_not_one_each(posed):
    """The network's parameters have no axis of clips, so no convolution becomes a grouped one."""
    problem, clips, seen, variables = posed
    stopped = jnp.zeros(3, bool)
    lowered = take_steps.lower(problem, clips, seen, begin(variables), stopped, 0, 2).as_text()
    convolutions = [line for line in lowered.splitlines() if "stablehlo.convolution" in line]
    assert convolutions
    assert all("batch_group_count = 1" in line for line in convolutions)
    assert all("feature_group_count = 1" in line for line in convolutions)
    assert all("tensor<3x" in line for line in convolutions)
