import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gancmri_jax.training import state as state_module
from gancmri_jax.training import step as step_module
from gancmri_jax.training.losses import r1_squared_norms
from gancmri_jax.training.state import init_state, networks
from gancmri_jax.training.step import (
    _adapt,
    _average,
    annealed,
    make_step,
    mean_over_parts,
    r1_gamma,
)
from tests.tiny import tiny_config


@pytest.fixture(scope="module")
def state():
    """Shapes of a training state."""
    return jax.eval_shape(lambda: init_state(tiny_config()))


@pytest.mark.parametrize(
    ("rampup", "step", "keep"),
    [(None, 0, 0.757858), (0.05, 0, 0.0), (0.05, 9, 0.214311), (0.05, 99, 0.757858)],
)
def test_the_moving_average_halves_in_ten_images(state, rampup, step, keep):
    """β = 0.5^(4 / half-life): 10 images, or ramped up 0, 0.05 · 36, min(0.05 · 396, 10)."""
    state = state.replace(
        step=jnp.asarray(step), g_params={"a": jnp.full(2, 3.0)}, g_ema={"a": jnp.full(2, 4.0)}
    )
    after = _average(state, tiny_config(ema_rampup=rampup), batch=4)
    np.testing.assert_allclose(after.g_ema["a"], np.full(2, 3 + keep), rtol=1e-5)
    assert after.step == step + 1


@pytest.mark.parametrize("regularize", [False, True])
def test_regularisers_are_static_and_the_state_keeps_its_shapes(state, regularize):
    step = make_step(tiny_config())
    images = jax.ShapeDtypeStruct((4, 8, 8, 1), np.uint8)
    after, metrics = jax.eval_shape(
        lambda s, x: step(s, x, regularize_g=regularize, regularize_d=regularize), state, images
    )
    jax.tree.map(
        lambda a, b: (a.shape, a.dtype) == (b.shape, b.dtype) or pytest.fail(), state, after
    )
    always = {"loss/g", "loss/d", "logits/real", "logits/fake", "logits/real_sign"}
    lazy = {"reg/pl_penalty", "reg/pl_mean", "reg/r1_penalty"}
    assert set(metrics) == always | (lazy if regularize else set())


def test_rates_fall_to_nothing_over_the_last_of_a_run():
    config = tiny_config(total_kimg=0.04, anneal_kimg=0.016)  # 10 steps, and 4
    found = [float(annealed({"a": 2.0}, jnp.asarray(n), config)["a"]) for n in (0, 6, 7, 9, 10, 12)]
    assert found == [2.0, 2.0, 1.5, 0.5, 0.0, 0.0]
    assert annealed({"a": 2.0}, jnp.asarray(9), tiny_config()) == {"a": 2.0}


@pytest.mark.slow
@pytest.mark.parametrize("inverts", [False, True])
def test_a_step_after_the_end_moves_no_network(inverts):
    learned = {"inversion_learning_rate": 0.002} if inverts else {}
    config = tiny_config(total_kimg=0.004, anneal_kimg=0.004, **learned)
    step, begun = make_step(config), init_state(config)

    def networks_of(state):
        encoder = state.inversion.params if inverts else {}
        return [state.g_params, state.d_params, encoder]

    before = jax.tree.map(np.asarray, networks_of(begun))
    parts = {"regularize_g": True, "regularize_d": True, "invert": inverts}
    one, _ = step(begun, IMAGES, **parts)
    after_one = jax.tree.map(np.asarray, networks_of(one))
    assert not all(map(np.array_equal, jax.tree.leaves(before), jax.tree.leaves(after_one)))
    two, _ = step(one, IMAGES, **parts)
    jax.tree.map(np.testing.assert_array_equal, after_one, networks_of(two))


IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def plain_descent():
    """Step by the gradients themselves: Adam would hide their scale."""
    descent = optax.sgd(1.0)
    with pytest.MonkeyPatch.context() as patch:
        for module in (step_module, state_module):
            patch.setattr(module, "optimizers", lambda _: (descent, descent))
        yield


def take_step(config, regularize_g=False, regularize_d=False):
    step = make_step(config)
    return step(init_state(config), IMAGES, regularize_g=regularize_g, regularize_d=regularize_d)[0]


@pytest.fixture(scope="module")
def unregularised(plain_descent):
    """The state after a step without regularisers, which no setting of theirs changes."""
    return take_step(tiny_config())


def change(after, before):
    difference = jax.tree.map(lambda a, b: a - b, after, before)
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(difference)])


@pytest.mark.slow
def test_r1_adds_its_gradient_times_half_gamma_times_the_interval(unregularised):
    config = tiny_config(r1_gamma=0.3, d_reg_interval=5)
    _, discriminator = networks(config)
    reals = jnp.asarray(IMAGES / np.float32(127.5) - 1)

    def penalty(params):
        norms = r1_squared_norms(lambda x: discriminator.apply({"params": params}, x), reals)
        return 5 * 0.3 / 2 * jnp.mean(norms)

    before = unregularised.d_params
    expected = change(jax.jit(jax.grad(penalty))(before), jax.tree.map(jnp.zeros_like, before))
    found = change(before, take_step(config, regularize_d=True).d_params)
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)


@pytest.mark.slow
def test_path_length_counts_by_weight_and_interval(unregularised):
    changes = []
    for weight, interval in [(1.0, 4), (3.0, 8)]:
        config = tiny_config(pl_weight=weight, g_reg_interval=interval)
        after = take_step(config, regularize_g=True)
        changes.append(change(after.g_params, unregularised.g_params))
    assert np.linalg.norm(changes[0]) > 1e-4
    assert np.linalg.norm(changes[1] - 6 * changes[0]) < 1e-3 * np.linalg.norm(changes[1])


def test_parts_of_a_batch_are_averaged_each_with_its_own_key():
    """Six values in three parts of two, every third: (0, 3), (1, 4), (2, 5)."""
    seen = mean_over_parts(
        lambda key, x: {"x": x, "bits": jax.random.bits(key, dtype=jnp.uint16).astype(jnp.float32)},
        3,
        jax.random.key(0),
        jnp.arange(6.0),
    )
    np.testing.assert_allclose(seen["x"], [(0 + 1 + 2) / 3, (3 + 4 + 5) / 3])
    keys = [jax.random.fold_in(jax.random.key(0), i) for i in range(3)]
    bits = [int(jax.random.bits(key, dtype=jnp.uint16)) for key in keys]
    assert len(set(bits)) == 3 and seen["bits"] == pytest.approx(np.mean(bits))


def test_r1s_weight_by_the_heuristic():
    assert r1_gamma(tiny_config(r1_gamma=3.0)) == 3.0
    assert r1_gamma(tiny_config(r1_gamma=None)) == pytest.approx(0.0002 * 64 / 4)


def test_augmentation_follows_the_signs_of_real_logits(state):
    """Three signs of 0.9 wait; at the fourth p rises by 4 · 4 / 1000 and the sum starts anew."""
    config = tiny_config(ada_target=0.6, ada_kimg=1.0)
    at = lambda step: state.replace(  # noqa: E731
        step=jnp.asarray(step), ada_p=jnp.asarray(0.1), ada_signs=jnp.asarray(2.7)
    )
    waiting = _adapt(at(2), jnp.asarray(0.9), config, batch=4)
    assert waiting.ada_p == jnp.float32(0.1) and waiting.ada_signs == pytest.approx(3.6)
    due = _adapt(at(3), jnp.asarray(0.9), config, batch=4)
    assert due.ada_p == pytest.approx(0.116) and due.ada_signs == 0


@pytest.mark.slow
def test_bfloat16_tracks_float32_and_a_clamp_that_is_never_reached_changes_nothing():
    config = tiny_config()
    _, plain = make_step(config)(init_state(config), IMAGES, regularize_g=False, regularize_d=False)
    for changes, tolerance in (({"dtype": "bfloat16"}, 3e-2), ({"clamp": 256.0}, 1e-6)):
        changed = tiny_config(**changes)
        step = make_step(changed)
        _, found = step(init_state(changed), IMAGES, regularize_g=False, regularize_d=False)
        for name in ("loss/g", "loss/d"):
            assert found[name] == pytest.approx(float(plain[name]), rel=tolerance)


@pytest.mark.slow
def test_the_mean_of_w_moves_by_five_thousandths(unregularised):
    """Of the way from zero to the mean w of the step's own z, the first of each style mixing."""
    config = tiny_config()
    generator, _ = networks(config)
    g_key = jax.random.split(jax.random.fold_in(jax.random.key(0), 0), 4)[0]
    z_key = jax.random.split(jax.random.split(g_key, 3)[0], 4)[0]
    z = jax.random.normal(z_key, (4, 8))
    w = generator.apply({"params": init_state(config).g_params}, z, method="map")
    np.testing.assert_allclose(unregularised.w_avg, 0.005 * jnp.mean(w, axis=0), rtol=1e-3)
