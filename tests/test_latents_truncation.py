import jax.numpy as jnp
import numpy as np

from gancmri_jax.latents.truncation import broadcast_w, mix_styles, truncate


def test_truncation_by_hand():
    ws = broadcast_w(jnp.array([[4.0, 0.0]]), 3)
    out = truncate(ws, jnp.array([2.0, 2.0]), 0.5, cutoff=2)
    np.testing.assert_allclose(out[0], [[3, 1], [3, 1], [4, 0]])


def test_mixing_takes_the_first_rows_from_the_coarse_code():
    mixed = mix_styles(jnp.zeros((1, 4, 1)), jnp.ones((1, 4, 1)), 1)
    np.testing.assert_allclose(mixed[0, :, 0], [0, 1, 1, 1])
