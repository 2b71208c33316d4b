import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.latents.pca import pca_residual


def test_equals_scikit_learns_full_solver():
    from sklearn.decomposition import PCA

    steps = np.random.default_rng(0).normal(size=(49, 14, 24)).astype(np.float32)
    flat = steps.reshape(49, -1)
    pca = PCA(32, svd_solver="full").fit(flat)
    expected = flat - pca.inverse_transform(pca.transform(flat))
    ours = np.asarray(pca_residual(jnp.asarray(steps), 32)).reshape(49, -1)
    assert np.linalg.norm(ours - expected) < 1e-5 * np.linalg.norm(expected)


def test_residual_has_rank_16_and_sums_to_zero():
    steps = np.random.default_rng(1).normal(1, 1, size=(49, 2, 64)).astype(np.float32)
    residual = np.asarray(pca_residual(jnp.asarray(steps), 32)).reshape(49, -1)
    singular = np.linalg.svd(residual, compute_uv=False)
    assert (singular > 1e-4 * singular[0]).sum() == 16
    assert np.abs(residual.sum(axis=0)).max() < 1e-4


def test_what_was_cleaned_is_not_changed_by_cleaning_less_than_was_removed(shared):
    """The published steps are a residual: their first 16 components hold all of them."""
    folder = shared / "data" / "trajectories"
    steps = np.concatenate([np.load(folder / f"{i}{i + 1}.npy") for i in range(49)])
    left = np.asarray(pca_residual(jnp.asarray(steps), 16))
    assert np.linalg.norm(left) < 1e-4 * np.linalg.norm(steps)
    assert np.linalg.norm(pca_residual(jnp.asarray(steps), 15)) > 1e-2 * np.linalg.norm(steps)


@pytest.mark.parametrize("num_components", [0, 8, 9])
def test_components_that_leave_nothing_are_refused(num_components):
    with pytest.raises(ValueError, match=f"{num_components} components of 9 steps"):
        pca_residual(jnp.zeros((9, 1, 20)), num_components)
