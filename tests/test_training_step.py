import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gancmri_jax.training import state as state_module
from gancmri_jax.training import step as step_module
from gancmri_jax.training.losses import r1_squared_norms
from gancmri_jax.training.state import init_state, networks
from gancmri_jax.training.step import _average, make_step
from tests.tiny import tiny_config


@pytest.fixture(scope="module")
def state():
    """Shapes of a training state."""
    return jax.eval_shape(lambda: init_state(tiny_config()))


@pytest.mark.parametrize(
    ("rampup", "step", "keep"),
    [(None, 0, 0.757858), (0.05, 0, 2.0**-20), (0.05, 9, 0.25), (0.05, 99, 0.757858)],
)
def test_the_moving_average_halves_in_ten_images(state, rampup, step, keep):
    """β = 0.5^(4 / half-life): 10 images, or ramped up 0.05 · 4, 0.05 · 40, min(0.05 · 400, 10)."""
    state = state.replace(
        step=jnp.asarray(step), g_params={"a": jnp.full(2, 3.0)}, g_ema={"a": jnp.full(2, 4.0)}
    )
    after = _average(state, tiny_config(ema_rampup=rampup), batch=4)
    np.testing.assert_allclose(after.g_ema["a"], np.full(2, 3 + keep), rtol=1e-6)
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


def test_the_mean_of_w_moves_by_five_thousandths(unregularised):
    config = tiny_config()
    generator, _ = networks(config)
    z = jax.random.normal(jax.random.key(1), (4096, 8))
    w = generator.apply({"params": init_state(config).g_params}, z, method="map")
    # The mean of 4 w's lies about one deviation over √4 from zero; 0.005 of it is taken.
    size = np.linalg.norm(unregularised.w_avg) / np.linalg.norm(np.std(np.asarray(w), axis=0) / 2)
    assert 0.005 / 4 < size < 0.005 * 4
