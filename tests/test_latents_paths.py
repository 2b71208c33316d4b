import jax.numpy as jnp
import numpy as np

from gancmri_jax.latents.linear import Linear
from gancmri_jax.latents.paths import ed_to_es_path, start_at_ed

START = jnp.array([[1.0, 2.0]])
K = jnp.array([[10.0, 0.0]])


def test_start_is_seven_tenths_before_the_random_point():
    np.testing.assert_allclose(start_at_ed(START, K), [[-6.0, 2.0]])


def test_a_start_is_as_far_back_as_the_frame_is_contracted():
    # A quarter at 1, nothing at −4 and less, all of it at 16 and more.
    known = Linear(jnp.array([[-4.0, 0.0]]), jnp.array([[0.05, 0.0]]))
    for first, back in ((1.0, 2.5), (-4.0, 0.0), (-9.0, 0.0), (30.0, 10.0)):
        start = start_at_ed(START.at[0, 0].set(first), K, known)
        np.testing.assert_allclose(start, [[first - back, 2.0]], atol=1e-5)


def test_ed_to_es_amounts_are_the_published_ones():
    path = ed_to_es_path(jnp.zeros((1, 1)), jnp.ones((1, 1)), 50)[:, 0, 0]
    up = np.arange(25) / 25
    np.testing.assert_allclose(path, np.concatenate([up, up[::-1]]), atol=1e-7)


def test_an_odd_number_of_frames_reaches_es_once():
    path = ed_to_es_path(START, K, 5)
    np.testing.assert_allclose(path[:, 0, 0], [1.0, 6.0, 11.0, 6.0, 1.0])
