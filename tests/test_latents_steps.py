import chex
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.latents.steps import (
    differences,
    mean_ed_to_es,
    mean_steps,
    resample_cycle,
    retained_motion,
    roughness,
)


def column(*values):
    """A path in a latent space of one row and one dimension."""
    return jnp.array(values)[:, None, None]


class TestMeans(chex.TestCase):
    """Inside of a compiled program and outside of one."""

    @chex.variants(with_jit=True, without_jit=True)
    def test_differences_and_their_mean_by_hand(self):
        first, second = column(0.0, 1.0, 4.0), column(1.0, 4.0, 3.0)
        chex.assert_trees_all_close(self.variant(differences)(first), column(1.0, 3.0))
        mean = self.variant(mean_steps)(jnp.stack([first, second]))
        chex.assert_trees_all_close(mean, column(2.0, 1.0))

    @chex.variants(with_jit=True, without_jit=True)
    def test_ed_to_es_is_the_mean_of_pairs(self):
        ed, es = column(0.0, 2.0), column(3.0, 7.0)
        chex.assert_trees_all_close(self.variant(mean_ed_to_es)(ed, es), jnp.array([[4.0]]))


def test_resampling_a_cycle_by_hand():
    path = column(0.0, 2.0, 6.0, 4.0)
    np.testing.assert_allclose(resample_cycle(path, 4), path)
    np.testing.assert_allclose(resample_cycle(path, 2), column(0.0, 6.0))
    # The last half step lies between the last frame and the first.
    expected = column(0.0, 1.0, 2.0, 4.0, 6.0, 5.0, 4.0, 2.0)
    np.testing.assert_allclose(resample_cycle(path, 8), expected)


def test_retained_motion_by_hand():
    steps = jnp.array([[[1.0, 5.0]], [[2.0, 0.0]], [[-3.0, 1.0]]])
    peak, frame = retained_motion(steps, jnp.array([[4.0, 0.0]]))
    assert (peak, frame) == (0.75, 2)


def test_roughness_by_hand():
    assert roughness(column(0.0, 1.0, 2.0, 3.0)) == 0
    # Steps 1, 3, −2; turns 2, −5.
    assert roughness(column(0.0, 1.0, 4.0, 2.0)) == pytest.approx(3.5 / 2)
    # Closed, there is a step −2 more, and turns 0 and 3.
    assert roughness(column(0.0, 1.0, 4.0, 2.0), closed=True) == pytest.approx(2.5 / 2)


def test_jitter_alone_is_as_rough_as_the_square_root_of_three():
    jitter = np.random.default_rng(0).normal(size=(200, 2, 256))
    assert roughness(jnp.asarray(jitter)) == pytest.approx(3**0.5, rel=0.01)
    assert roughness(jnp.asarray(jitter), closed=True) == pytest.approx(3**0.5, rel=0.01)


@pytest.fixture(scope="module")
def published(shared):
    """The published steps [49 14 512] and k_ED→ES [14 512]."""
    folder = shared / "data" / "trajectories"
    steps = np.concatenate([np.load(folder / f"{i}{i + 1}.npy") for i in range(49)])
    return steps, np.load(folder / "time.npy")[0]


def test_published_steps_close_and_have_rank_16(published):
    steps, _ = published
    assert np.linalg.norm(steps.sum(axis=0)) < 5e-4  # of norms around 6
    singular = np.linalg.svd(steps.reshape(49, -1), compute_uv=False)
    assert (singular > 1e-4 * singular[0]).sum() == 16
    # Projected into W: all rows are equal, up to rounding.
    assert np.abs(steps - steps[:, :1]).max() < 1e-4 * np.abs(steps).max()


def test_published_steps_keep_46_percent_of_the_way_to_es(published):
    steps, ed_to_es = published
    peak, frame = retained_motion(jnp.asarray(steps), jnp.asarray(ed_to_es))
    assert round(peak, 2) == 0.46
    assert frame == 18
