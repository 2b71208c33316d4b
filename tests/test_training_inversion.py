import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cine.preprocess import to_model_range
from gancmri_jax.networks.generator import draw_noise
from gancmri_jax.training.config import schedule
from gancmri_jax.training.inversion import (
    encoder_network,
    energy_coefficient,
    inversion_loss,
    inversion_optimizer,
)
from gancmri_jax.training.losses import generator_loss
from gancmri_jax.training.state import init_state, networks
from gancmri_jax.training.step import make_step, over_parts
from tests.tiny import tiny_config

ALONE = {"regularize_g": False, "regularize_d": False, "train_g": False, "train_d": False}
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1)).astype(np.uint8)


def inverting_config(**changes):
    return tiny_config(**{"inversion_learning_rate": 0.01, **changes})


def test_the_energy_coefficient_by_hand():
    points = jnp.array([[0.0, 0], [0, 0]])
    np.testing.assert_allclose(energy_coefficient(points, points + 3), 1.0, rtol=1e-4)
    a, b = jnp.array([[0.0], [2]]), jnp.array([[1.0], [3]])
    # across: 1, 3, 1, 1 → 1.5; within: 2 and 2
    np.testing.assert_allclose(energy_coefficient(a, b), (2 * 1.5 - 2 - 2) / 3, rtol=1e-4)


def test_the_energy_coefficient_tells_distributions_apart():
    x, same, other = jax.random.normal(jax.random.key(0), (3, 400, 5))
    assert abs(energy_coefficient(x, same)) < 0.01 < energy_coefficient(x, 2 * other)
    # Even where points coincide, the way down is a number.
    down = jax.grad(energy_coefficient)(jnp.zeros((3, 2)), jnp.ones((2, 2)))
    assert np.isfinite(down).all() and (down < 0).all()


def test_each_term_teaches_its_own_networks():
    """Reconstruction synthesis and encoder, the energy coefficient the mapping."""
    config = inverting_config()
    state, (generator, _) = init_state(config), networks(config)
    reals = jax.random.normal(jax.random.key(1), (4, 8, 8, 1))
    z, w = jax.random.normal(jax.random.key(2), (2, 6, 8))
    noise = draw_noise(jax.random.key(3), 8, 4)

    def loss(params):
        return inversion_loss(generator, encoder_network(config), params, reals, w, z, noise)

    def term(name):
        return jax.jit(jax.grad(lambda params: loss(params)[1][0][f"inversion/{name}"]))(params)

    params = (state.g_params, state.inversion.params)
    g, e = jax.jit(jax.grad(lambda params: loss(params)[0]))(params)
    (own, own_e), (mapping, no_e) = term("reconstruction"), term("w_unlike")
    assert own["synthesis"]["b8_conv1"]["noise_strength"] != 0
    for whole, part, none in [
        (g["synthesis"], own["synthesis"], mapping["synthesis"]),
        (g["mapping"], mapping["mapping"], own["mapping"]),
        (e, own_e, no_e),
    ]:
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7), whole, part
        )
        assert not any(jnp.any(leaf) for leaf in jax.tree.leaves(none))


def test_noise_is_the_adversarys_alone_where_it_is_asked_for():
    """Reconstruction has no gradient by noise strengths then, and the adversary's loss has."""
    config = inverting_config()
    state, (generator, discriminator) = init_state(config), networks(config)
    reals = jax.random.normal(jax.random.key(1), (4, 8, 8, 1))
    noise, encoder = draw_noise(jax.random.key(3), 8, 4), encoder_network(config)
    z = jax.random.normal(jax.random.key(2), (4, 8))

    @jax.jit
    def gradients(g_params, e_params, d_params):
        def reconstruction(g_params):
            both = (g_params, e_params)
            return inversion_loss(generator, encoder, both, reals, z, z, noise, False)[0]

        def adversary(g_params):
            fakes = generator.apply({"params": g_params}, z, noise)
            return jnp.mean(generator_loss(discriminator.apply({"params": d_params}, fakes)))

        return jax.grad(reconstruction)(g_params), jax.grad(adversary)(g_params)

    both = gradients(state.g_params, state.inversion.params, state.d_params)
    for found, lives in zip(both, (False, True), strict=True):
        layers = [layer for name, layer in found["synthesis"].items() if "_conv" in name]
        assert len(layers) == 3
        for layer in layers:
            assert (layer["noise_strength"] != 0) == lives
            assert jnp.any(layer["kernel"] != 0) and jnp.any(layer["bias"] != 0)


@pytest.mark.slow
def test_the_mapping_moves_fifty_times_as_far():
    config = inverting_config()
    state = init_state(config)
    params = (state.g_params, state.inversion.params)
    optimizer, opt = inversion_optimizer(config), state.inversion.opt
    ones = jax.tree.map(jnp.ones_like, params)
    for _ in range(2):  # the first step's rate is 0
        (g, e), opt = optimizer.update(ones, opt)
    np.testing.assert_allclose(g["mapping"]["fc0"]["bias"], -0.01 / 100 * 50, rtol=1e-4)
    np.testing.assert_allclose(g["synthesis"]["const"], -0.01 / 100, rtol=1e-4)
    np.testing.assert_allclose(e["out"]["bias"], -0.01 / 100, rtol=1e-4)


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


@pytest.mark.slow
def test_frames_are_found_again_better_and_better(inverted):
    _, _, metrics = inverted
    assert set(metrics[0]) == {"inversion/reconstruction", "inversion/w_unlike"}
    assert metrics[-1]["inversion/reconstruction"] < 0.75 * metrics[0]["inversion/reconstruction"]


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_latest_w_come_first(inverted):
    """60 steps of four frames, and what the mapping drew at first."""
    before, after, _ = inverted
    queue = after.inversion.w_queue
    np.testing.assert_array_equal(queue[240:], before.inversion.w_queue[:-240])
    # Each step's are of the parameters before it, so the last step's are all but the same.
    latest = encoder_network(inverting_config()).apply(
        {"params": jax.tree.map(jnp.asarray, after.inversion.params)},
        jnp.asarray(to_model_range(IMAGES)),
    )
    far = [np.abs(queue[i : i + 4] - latest).max() for i in (0, 4, 236)]
    assert far[0] < far[1] < far[2] and far[0] < 0.1 * far[2]


def test_parts_of_a_batch_are_encoded_in_order():
    batch = jnp.arange(12.0).reshape(6, 2)
    np.testing.assert_array_equal(over_parts(lambda x: 2 * x[:, :1], 3, batch), 2 * batch[:, :1])


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
