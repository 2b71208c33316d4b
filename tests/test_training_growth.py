"""Grown networks say and render what they did before, until they learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.latents.linear import Linear
from gancmri_jax.latents.motions import Conditioned, EdToEs
from gancmri_jax.model.discriminator import Judge
from gancmri_jax.model.encoder import as_filed
from gancmri_jax.model.file import save_model
from gancmri_jax.model.motion import LearnedMotion, Motion
from gancmri_jax.networks.discriminator import Discriminator
from gancmri_jax.networks.encoder import ResidualEncoder
from gancmri_jax.networks.layers import num_channels
from gancmri_jax.ops.resample import downsample, upsample
from gancmri_jax.training.growth import (
    grown_generator,
    grown_motion,
    grown_rows,
    grown_trunk,
    misfit,
    widened,
)
from gancmri_jax.training.models import start_from
from gancmri_jax.training.state import networks
from tests.tiny import random_params, tiny_config, tiny_model

WIDE = {"channel_base": 256, "channel_max": 16}  # 16 at 8² and at 16², 8 at 32²


def widths(res):
    return num_channels(res, WIDE["channel_base"], WIDE["channel_max"])


def normal(shapes, seed):
    """Draw every parameter, biases too, so that none hides what another does."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), shapes)


def drawn(network, size, seed=0):
    image = jnp.zeros((4, size, size, 1))
    return normal(jax.eval_shape(network.init, jax.random.key(0), image)["params"], seed)


def images(size, seed=1):
    return jnp.asarray(np.random.default_rng(seed).uniform(-1, 1, (4, size, size, 1)), jnp.float32)


def test_a_grown_generator_renders_the_old_images_upsampled():
    model = tiny_model(resolution=16)
    larger = model.generator.clone(resolution=32)
    fresh = random_params(larger, np.random.default_rng(3))
    fresh["synthesis"]["b32_torgb"]["bias"] = jnp.ones(1)
    params = grown_generator(model.params, fresh)
    ws = jnp.asarray(np.random.default_rng(4).normal(size=(3, model.num_ws, 8)), jnp.float32)
    noise = tiny_model(resolution=32).noise

    @jax.jit
    def both(ws):
        rows = grown_rows(ws, larger.num_ws)
        small = model.generator.apply(
            {"params": model.params}, ws, noise[: len(model.noise)], method="synthesize"
        )
        large = larger.apply({"params": params}, rows, noise, method="synthesize")
        return upsample(small), large

    old, new = both(ws)
    assert np.std(old) > 0.1
    np.testing.assert_allclose(new, old, atol=1e-6)  # as compiled for users, to the bit


def test_a_grown_discriminator_says_of_an_image_what_it_said_of_half_of_it():
    small, large = (Discriminator(resolution=size, **WIDE) for size in (8, 32))
    params = drawn(small, 8)
    grown = grown_trunk(params, 8, 32, widths, seed=0)
    assert jax.tree.map(jnp.shape, grown) == jax.tree.map(jnp.shape, drawn(large, 32))
    reals = 1.5 * images(32)  # what is generated goes beyond 1
    before = jax.jit(small.apply)({"params": params}, downsample(downsample(reals)))
    after = jax.jit(large.apply)({"params": grown}, reals)
    assert np.std(before) > 0.01
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)


def test_a_grown_encoder_sees_the_halved_image_inside_the_border():
    small, large = (ResidualEncoder(resolution=size, w_dim=8, **WIDE) for size in (8, 16))
    params = drawn(small, 8)
    grown = grown_trunk(params, 8, 16, widths, seed=0)
    assert jax.tree.map(jnp.shape, grown) == jax.tree.map(jnp.shape, drawn(large, 16))
    shown = images(16)

    def seen(network, params, shown, layer):
        _, between = network.apply(
            {"params": params}, shown, capture_intermediates=True, mutable="intermediates"
        )
        return between["intermediates"][layer]["__call__"][0]

    first = jax.jit(lambda x: seen(small, params, downsample(x), "fromrgb"))(shown)
    block = jax.jit(lambda x: seen(large, grown, x, "b16_conv1"))(shown)
    np.testing.assert_allclose(
        block[:, 1:-1, 1:-1], 2**0.5 * first[:, 1:-1, 1:-1], rtol=1e-4, atol=1e-4
    )


def test_a_front_too_narrow_to_carry_an_image_is_drawn():
    narrow = {"channel_base": 64, "channel_max": 8}
    small = ResidualEncoder(resolution=8, w_dim=8, **narrow)
    grown = grown_trunk(drawn(small, 8), 8, 16, lambda res: num_channels(res, 64, 8), seed=0)
    assert all(np.std(grown[f"b16_{part}"]["kernel"]) > 0.5 for part in ("conv0", "conv1", "skip"))


@pytest.mark.parametrize(
    ("network", "size"),
    [
        (Discriminator(resolution=16, channel_base=64, channel_max=8), 16),
        (ResidualEncoder(resolution=16, w_dim=8, channel_base=64, channel_max=8), 16),
    ],
    ids=["discriminator", "encoder"],
)
def test_a_wider_network_says_what_it_said(network, size):
    """And goes on to learn by its new channels: gradients reach what reads them."""
    wider = network.clone(channel_base=128)  # 8 wide at 16², where it was 4
    small = drawn(network, size)
    params = widened(small, drawn(wider, size, seed=2))
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, drawn(wider, size))
    x = images(size)
    before = jax.jit(network.apply)({"params": small}, x)
    value, gradients = jax.jit(
        jax.value_and_grad(lambda p: jnp.mean(wider.apply({"params": p}, x) ** 2))
    )(params)
    np.testing.assert_allclose(value, np.mean(np.square(before)), rtol=1e-4)
    np.testing.assert_allclose(wider.apply({"params": params}, x), before, rtol=1e-4, atol=1e-4)
    assert np.abs(gradients["b16_conv0"]["kernel"][:, :, 4:, :4]).max() > 0


def test_a_wider_generator_renders_what_it_did():
    model = tiny_model(resolution=16)
    wider = model.generator.clone(channel_base=2 * model.generator.channel_base)
    fresh = random_params(wider, np.random.default_rng(3))
    params = grown_generator(model.params, fresh)
    assert params["synthesis"]["b16_conv1"]["kernel"].shape[-1] == 8
    ws = jnp.asarray(np.random.default_rng(4).normal(size=(3, model.num_ws, 8)), jnp.float32)
    new = wider.apply({"params": params}, ws, model.noise, method="synthesize")
    old = model.generator.apply({"params": model.params}, ws, model.noise, method="synthesize")
    np.testing.assert_allclose(new, old, rtol=1e-4, atol=1e-4)


def test_layers_grow_wider_but_at_4x4():
    assert misfit(64, (4096, 128), (4096, 128)) is None
    assert misfit(64, (4096, 128), (2048, 64)) == (4, 128, 64)
    assert misfit(64, (512, 128), (1024, 256)) == (4, 128, 256)
    assert misfit(64, (4096, 128), (8192, 128)) is None
    assert misfit(64, (4096, 128), (2048, 128)) == (32, 128, 64)
    assert misfit(16, (2048, 64), (1024, 64)) is None  # 64 wide all the same


def test_motion_goes_on_as_it_was_and_new_rows_follow_the_last():
    rng = np.random.default_rng(0)

    def code(*shape):
        return jnp.asarray(rng.normal(size=(*shape, 4, 8)), jnp.float32)

    motion = LearnedMotion(
        (EdToEs(code()), Conditioned(code(3, 13), 0.1 * code(4), code(13))),
        contraction=Linear(code(), 0.01 * code()),
        log_depth=Linear(code(), 0.01 * code()),
        unknown={"other": code(2)},
    )
    grown, start = grown_motion(motion, 8), code()
    for name in ("conditioned", "published"):
        old = motion.path(motion.at_ed(start), Motion(name, 5))
        new = grown.path(grown.at_ed(grown_rows(start, 8)), Motion(name, 5))
        np.testing.assert_allclose(new, grown_rows(old, 8), rtol=1e-5, atol=1e-5)
    assert grown.unknown["other"].shape == (2, 8, 8)


def started(path, **changes):
    """Start a drawn state of 16² from a file."""
    config = tiny_config(**{"init_from": str(path), "resolution": 16, **changes})
    generator, discriminator = networks(config)
    state = STATE.replace(
        g_params=random_params(generator, np.random.default_rng(9)),
        d_params=drawn(discriminator, 16),
    )
    return start_from(config, state)


class Stateless:
    """In place of a state, whose initialisation compiles: what `start_from` reads and replaces."""

    inversion = None

    def replace(self, **fields):
        new = Stateless()
        vars(new).update(vars(self), **fields)
        return new


STATE = Stateless()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A model of 8² with its discriminator and what training keeps beside averages."""
    path = tmp_path_factory.mktemp("start") / "model.safetensors"
    model = tiny_model(resolution=8)
    judge = Discriminator(resolution=8, channel_base=64, channel_max=8)
    kept = {"g_params": jax.tree.map(lambda x: x + 1, model.params), "pl_mean": jnp.asarray(0.5)}
    save_model(model, path, Judge(judge, drawn(judge, 8)), kept)
    return path


def test_training_starts_from_a_smaller_model(file):
    state = started(file)
    model = tiny_model(resolution=8)
    same = jax.tree.map(
        np.testing.assert_array_equal, state.g_ema["mapping"], model.params["mapping"]
    )
    assert same is not None and state.pl_mean == 0.5
    old = model.params["synthesis"]["b8_conv1"]["kernel"]
    np.testing.assert_array_equal(state.g_ema["synthesis"]["b8_conv1"]["kernel"], old)
    np.testing.assert_array_equal(state.g_params["synthesis"]["b8_conv1"]["kernel"], old + 1)
    for params in (state.g_params, state.g_ema):
        assert not jnp.any(params["synthesis"]["b16_torgb"]["kernel"])
    judge = Discriminator(resolution=8, channel_base=64, channel_max=8)
    np.testing.assert_array_equal(
        state.d_params["b8_conv1"]["kernel"], drawn(judge, 8)["b8_conv1"]["kernel"]
    )


def test_what_is_frozen_starts_from_the_average(file):
    state = started(file, freeze_below=8)
    for name in ("b4_conv1", "b8_conv0", "b8_torgb"):
        jax.tree.map(
            np.testing.assert_array_equal,
            state.g_params["synthesis"][name],
            state.g_ema["synthesis"][name],
        )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"channel_max": 4}, "at 4² are 8 wide, the configuration's 4; .* channel_base=64 or more"),
        (
            {"z_dim": 16},
            "its z_dim is 8, and the configuration's 16; only resolution and",
        ),
        ({"w_dim": 16}, "its w_dim is 8"),
        ({"mapping_layers": 2}, "its mapping_layers is 1"),
        ({"freeze_below": 16, "resolution": 32}, "freeze_below 16: .* images of 8²"),
    ],
)
def test_what_cannot_grow_is_refused_in_one_line(file, changes, said):
    with pytest.raises(InputError, match=said) as refused:
        started(file, **changes)
    assert "\n" not in str(refused.value)


def test_a_model_does_not_shrink(tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(tiny_model(resolution=32), path)
    with pytest.raises(
        InputError, match="images of 32², and config.resolution is 16; .* not shrink"
    ):
        started(path)


def test_encoders_of_other_widths_are_not_grown(tmp_path):
    """Without another stage of inversion there is nothing to train on."""
    path = tmp_path / "model.safetensors"
    model = tiny_model(resolution=8)
    sizes = {"channel_base": 32, "channel_max": 4, "hidden": 128}
    network = ResidualEncoder(resolution=8, w_dim=8, channel_base=32, channel_max=4)
    model = model.__class__(
        **{
            **{name: getattr(model, name) for name in ("generator", "params", "w_avg", "noise")},
            "encoder": as_filed(model.generator, sizes, drawn(network, 8), {}),
        }
    )
    save_model(model, path)
    with pytest.raises(InputError, match="has no encoder of the sizes .*give inversion_kimg"):
        STATE.inversion = Stateless()
        try:
            started(path, inversion_learning_rate=0.01)
        finally:
            STATE.inversion = None
