import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.training.config import schedule
from gancmri_jax.training.inversion import energy_distance
from gancmri_jax.training.state import init_state
from gancmri_jax.training.step import make_step
from tests.tiny import tiny_config

ALONE = {"regularize_g": False, "regularize_d": False, "train_g": False, "train_d": False}
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1)).astype(np.uint8)


def inverting_config(**changes):
    return tiny_config(**{"inversion_learning_rate": 0.01, **changes})


def test_energy_distance_by_hand():
    points = jnp.array([[0.0, 0], [0, 0]])
    np.testing.assert_allclose(energy_distance(points, points + 3), 1.0, rtol=1e-4)
    a, b = jnp.array([[0.0], [2]]), jnp.array([[1.0], [3]])
    # across: 1, 3, 1, 1 → 1.5; within: 2 and 2
    np.testing.assert_allclose(energy_distance(a, b), (2 * 1.5 - 2 - 2) / 3, rtol=1e-4)


def test_energy_distance_is_about_0_within_a_distribution_and_falls_towards_another():
    x, same, other = jax.random.normal(jax.random.key(0), (3, 400, 5))
    assert abs(energy_distance(x, same)) < 0.01 < energy_distance(x, 2 * other)
    # Even where points coincide, the way down is a number.
    down = jax.grad(energy_distance)(jnp.zeros((3, 2)), jnp.ones((2, 2)))
    assert np.isfinite(down).all() and (down < 0).all()


@pytest.fixture(scope="module")
def inverted():
    """State and metrics, before and after 60 steps of inversion alone on four frames."""
    config = inverting_config()
    step, state = make_step(config), init_state(config)
    before, metrics = jax.device_get(state), []
    for _ in range(60):
        state, told = step(state, IMAGES, invert=True, **ALONE)
        metrics.append(jax.device_get(told))
    return before, jax.device_get(state), metrics


def test_frames_are_found_again_better_and_better(inverted):
    _, _, metrics = inverted
    assert set(metrics[0]) == {"inversion/picture", "inversion/codes"}
    assert metrics[-1]["inversion/picture"] < 0.75 * metrics[0]["inversion/picture"]


def test_both_networks_learn_and_the_discriminator_does_not(inverted):
    before, after, _ = inverted
    jax.tree.map(np.testing.assert_array_equal, before.d_params, after.d_params)
    for a, b in [
        (before.g_params["synthesis"], after.g_params["synthesis"]),
        (before.g_params["mapping"], after.g_params["mapping"]),
        (before.inversion.params, after.inversion.params),
        (before.inversion.ema, after.inversion.ema),
    ]:
        changed = jax.tree.map(lambda x, y: bool((x != y).any()), a, b)
        assert np.mean(jax.tree.leaves(changed)) > 0.9
    assert (after.w_avg != before.w_avg).all()


def test_stages_follow_one_another():
    """A step is four images: two of inversion alone, one for the discriminator, then all."""
    stages = inverting_config(
        inversion_kimg=0.008, d_warmup_kimg=0.004, g_reg_interval=4, d_reg_interval=2
    )
    alone, again, warm, joint, later = (schedule(stages, index) for index in range(5))
    assert alone == again == {**ALONE, "invert": True}
    assert warm == {**ALONE, "train_d": True, "regularize_d": True, "invert": False}
    assert joint == {**ALONE, "train_g": True, "train_d": True, "invert": True}
    assert later == dict.fromkeys(ALONE, True) | {"invert": True}
    assert schedule(tiny_config(), 0) == dict.fromkeys(ALONE, True) | {"invert": False}
