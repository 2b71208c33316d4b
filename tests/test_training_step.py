import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

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
def test_regularisers_are_static_and_the_next_step_is_not_traced_again(state, regularize):
    chex.clear_trace_counter()
    step = make_step(tiny_config()).__wrapped__
    names = ("regularize_g", "regularize_d")
    traced = jax.jit(chex.assert_max_traces(step, n=1), static_argnames=names)
    images = jax.ShapeDtypeStruct((4, 8, 8, 1), np.uint8)
    kind = dict.fromkeys(names, regularize)
    after, metrics = jax.eval_shape(traced, state, images, **kind)
    chex.assert_trees_all_equal_shapes_and_dtypes(state, after)
    jax.eval_shape(traced, after, images, **kind)
    always = {"loss/g", "loss/d", "logits/real", "logits/fake", "logits/real_sign"}
    lazy = {"reg/pl_penalty", "reg/pl_mean", "reg/r1_penalty"}
    assert set(metrics) == always | (lazy if regularize else set())


def test_rates_fall_to_nothing_over_the_last_of_a_run():
    config = tiny_config(total_kimg=0.04, anneal_kimg=0.016)  # 10 steps, and 4
    found = [float(annealed({"a": 2.0}, jnp.asarray(n), config)["a"]) for n in (0, 6, 7, 9, 10, 12)]
    assert found == [2.0, 2.0, 1.5, 0.5, 0.0, 0.0]
    assert annealed({"a": 2.0}, jnp.asarray(9), tiny_config()) == {"a": 2.0}


IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1)).astype(np.uint8)


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
    for network, moved in zip(before[:2], after_one[:2], strict=True):  # the encoder's rate rises
        assert not all(map(np.array_equal, jax.tree.leaves(network), jax.tree.leaves(moved)))
    two, _ = step(one, IMAGES, **parts)
    jax.tree.map(np.testing.assert_array_equal, after_one, networks_of(two))


@pytest.fixture(scope="module")
def begun():
    """A state that no step has been taken from."""
    return init_state(tiny_config())


@pytest.fixture(scope="module")
def descending(begun):
    """The same, which moves by the gradients themselves: Adam would hide their scale."""
    descent = optax.sgd(1.0)
    own = {"g_opt": descent.init(begun.g_params), "d_opt": descent.init(begun.d_params)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step_module, "optimizers", lambda _: (descent, descent))
        yield begun.replace(**own)


def take(state, *parts, **changes):
    """Take the named parts of a step, and no other: a step of all of them compiles for long."""
    names = ("regularize_g", "regularize_d", "train_g", "train_d")
    step = make_step(tiny_config(**changes)).__wrapped__
    return step(state, IMAGES, **{name: name in parts for name in names})


def change(after, before):
    difference = jax.tree.map(lambda a, b: a - b, after, before)
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(difference)])


@pytest.mark.slow
def test_r1_adds_its_gradient_times_half_gamma_times_the_interval(descending):
    _, discriminator = networks(tiny_config())
    reals = jnp.asarray(IMAGES / np.float32(127.5) - 1)

    def penalty(params):
        norms = r1_squared_norms(lambda x: discriminator.apply({"params": params}, x), reals)
        return 5 * 0.3 / 2 * jnp.mean(norms)

    @jax.jit
    def both(state):
        after, _ = take(state, "regularize_d", r1_gamma=0.3, d_reg_interval=5)
        return after.d_params, jax.grad(penalty)(state.d_params)

    after, gradient = jax.device_get(both(descending))
    expected = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(gradient)])
    found = change(jax.device_get(descending.d_params), after)
    assert np.linalg.norm(expected) > 0
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)


@pytest.mark.slow
def test_path_length_counts_by_weight_and_interval(descending):
    @jax.jit
    def regularised(state, weight, interval):
        return take(state, "regularize_g", pl_weight=weight, g_reg_interval=interval)[0].g_params

    before = jax.device_get(descending.g_params)
    changes = [
        change(jax.device_get(regularised(descending, *numbers)), before)
        for numbers in [(1.0, 4), (3.0, 8)]
    ]
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
def test_bfloat16_tracks_float32_and_a_clamp_that_is_never_reached_changes_nothing(begun):
    def losses(**changes):
        """Take a step and return its metrics alone, so that D's gradients are not compiled."""
        drawn = jax.eval_shape(lambda: init_state(tiny_config(**changes)))
        chex.assert_trees_all_equal_shapes_and_dtypes(begun, drawn)
        return jax.jit(lambda state: take(state, "train_g", "train_d", **changes)[1])(begun)

    plain = losses()
    for changes, tolerance in (({"dtype": "bfloat16"}, 3e-2), ({"clamp": 256.0}, 1e-6)):
        found = losses(**changes)
        for name in ("loss/g", "loss/d"):
            assert found[name] == pytest.approx(float(plain[name]), rel=tolerance)


@pytest.mark.slow
def test_the_mean_of_w_moves_by_five_thousandths(begun):
    """Of the way from zero to the mean w of the step's own z, the first of each style mixing."""
    generator, _ = networks(tiny_config())
    g_key = jax.random.split(jax.random.fold_in(jax.random.key(0), 0), 4)[0]
    z_key = jax.random.split(jax.random.split(g_key, 3)[0], 4)[0]

    @jax.jit
    def moved_and_mean(state):
        z = jax.random.normal(z_key, (4, 8))
        w = generator.apply({"params": state.g_params}, z, method="map")
        return take(state, "train_g")[0].w_avg, jnp.mean(w, axis=0)

    moved, mean = moved_and_mean(begun)
    np.testing.assert_allclose(moved, 0.005 * np.asarray(mean), rtol=1e-3)
