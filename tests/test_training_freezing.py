"""While layers are frozen neither they nor their optimiser's moments move."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gancmri_jax.training.config import schedule
from gancmri_jax.training.freezing import held, is_frozen, kept
from gancmri_jax.training.state import init_state, with_fresh_optimizers
from gancmri_jax.training.step import _update, make_step
from tests.tiny import tiny_config

PARAMS = {
    "mapping": {"fc0": {"kernel": jnp.ones(2)}},
    "synthesis": {
        "const": jnp.ones(2),
        "b4_conv1": {"kernel": jnp.ones(2), "affine": {"bias": jnp.ones(2)}},
        "b8_conv0": {"kernel": jnp.ones(2)},
        "b16_torgb": {"kernel": jnp.ones(2)},
    },
}


def names_of(tree, which):
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(tree) if which(path)]
    return {next(p.key for p in path if p.key not in ("mapping", "synthesis")) for path in paths}


def test_what_is_below_is_frozen_and_what_reads_images_is_not():
    assert names_of(PARAMS, lambda path: is_frozen(path, 8)) == {
        "fc0",
        "const",
        "b4_conv1",
        "b8_conv0",
    }
    others = {name: jnp.ones(1) for name in ("fromrgb", "b16_skip", "b8_skip", "b4_out", "hidden")}
    assert names_of(others, lambda path: is_frozen(path, 8)) == {"b8_skip", "b4_out", "hidden"}


def test_frozen_parameters_have_no_gradient():
    gradients = jax.grad(
        lambda params: sum(jnp.sum(leaf) for leaf in jax.tree.leaves(held(params, 8)))
    )(PARAMS)
    moved = names_of(PARAMS, lambda path: not is_frozen(path, 8))
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradients):
        assert jnp.all(leaf == (1 if path[1].key in moved else 0))


@pytest.mark.parametrize("freeze", [False, True])
def test_an_update_leaves_frozen_parameters_and_moments(freeze):
    config = tiny_config(resolution=16, freeze_below=8)
    optimizer = optax.adam(0.1, b1=0.5)
    before = types.SimpleNamespace(
        g_params=PARAMS, g_opt=optimizer.init(PARAMS), step=jnp.asarray(0)
    )
    gradients = jax.tree.map(jnp.ones_like, PARAMS)
    after = _update(optimizer, gradients, before, "g", config, freeze)
    moments = after["g_opt"][0]
    assert moments.count == 1
    for tree, old in ((after["g_params"], 1), (moments.mu, 0), (moments.nu, 0)):
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            stays = freeze and is_frozen(path, 8)
            assert bool(jnp.all(leaf == old)) == stays, path


def test_layers_are_frozen_as_long_as_the_configuration_says():
    config = tiny_config(resolution=16, freeze_below=8, freeze_kimg=0.008, init_from="demo")
    assert [schedule(config, index).get("freeze") for index in range(4)] == [True, True, None, None]
    always = tiny_config(resolution=16, freeze_below=8, init_from="demo")
    assert schedule(always, 3)["freeze"] and "freeze" not in schedule(tiny_config(), 0)


def test_kept_takes_optimisers_of_several_networks_apart():
    mask = jax.tree.map(lambda _: False, PARAMS)
    optimizer = optax.chain(
        optax.adam(0.1),
        optax.masked(optax.scale(2.0), (mask, {"fromrgb": False, "b8_conv0": False})),
    )
    pair = (PARAMS, {"fromrgb": jnp.ones(2), "b8_conv0": jnp.ones(2)})
    before = optimizer.init(pair)
    after = jax.tree.map(lambda leaf: leaf + 1, before)
    found = kept(before, after, 8)[0][0].mu
    assert jnp.all(found[1]["fromrgb"] == 1) and not jnp.any(found[1]["b8_conv0"])
    assert jnp.all(found[0]["synthesis"]["b16_torgb"]["kernel"] == 1)


@pytest.mark.slow
def test_a_whole_step_moves_what_is_new_alone_until_the_thaw():
    config = tiny_config(
        freeze_below=4, freeze_kimg=0.004, init_from="demo", inversion_learning_rate=0.01
    )
    step, begun = make_step(config), init_state(config)
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1)).astype(np.uint8)

    def trained(state):
        own = state.inversion
        return (state.g_params, state.d_params, own.params), (state.g_opt, state.d_opt, own.opt)

    parts = {"regularize_g": True, "regularize_d": True, "invert": True}
    before = jax.device_get(trained(begun))
    state = begun
    for _ in range(2):  # the rate of inversion's first step is 0
        state, _ = step(state, images, freeze=True, **parts)
    after = jax.device_get(trained(state))
    flat, others = (jax.tree_util.tree_leaves_with_path(tree) for tree in (before, after))
    for (path, old), (_, new) in zip(flat, others, strict=True):
        if is_frozen(path, 4):
            np.testing.assert_array_equal(old, new, err_msg=str(path))
    changed = [
        not np.array_equal(old, new)
        for (path, old), (_, new) in zip(flat, others, strict=True)
        if not is_frozen(path, 4) and any(hasattr(part, "key") for part in path)
    ]
    assert np.mean(changed) > 0.9
    thawed = with_fresh_optimizers(state, config)
    assert not any(map(np.any, jax.tree.leaves(jax.device_get(thawed.g_opt[0].nu))))
    frozen = np.asarray(thawed.g_params["synthesis"]["b4_conv1"]["kernel"])
    moved, _ = step(thawed, images, **parts)
    assert np.any(moved.g_params["synthesis"]["b4_conv1"]["kernel"] != frozen)
