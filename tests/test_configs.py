import jax
import jax.numpy as jnp
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.training.config import check_config, config_names, read_config
from gancmri_jax.training.growth import misfit
from gancmri_jax.training.state import networks

NAMES = config_names()


def count_params(network, example):
    params = jax.eval_shape(network.init, jax.random.key(0), example)
    return sum(leaf.size for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize("name", NAMES)
def test_a_config_can_be_trained_with(name):
    check_config(read_config(name))


def test_a_wide_network_is_the_first_part_of_the_next():
    """And takes its start from one: what is frozen has learned."""
    start = "--config.init_from=demo"
    first, *grown = (read_config(f"phantom_wide:{size}", [start]) for size in (64, 128, 256))
    for config in (first, *grown):
        check_config(config)
    for smaller, larger in zip((first, *grown), grown, strict=False):
        widths = [(each.channel_base, each.channel_max) for each in (smaller, larger)]
        assert misfit(smaller.resolution, *widths) is None
        assert larger.freeze_below == smaller.resolution
    with pytest.raises(InputError, match="freeze_below needs an init_from"):
        check_config(read_config("phantom_wide:128"))
    with pytest.raises(InputError, match="phantom_wide is of 64, 128 or 256, got 512"):
        read_config("phantom_wide:512")


def test_configs_have_the_same_keys():
    keys = [set(read_config(name)) for name in NAMES]
    assert NAMES == ["dsb256", "phantom256", "phantom64", "phantom_wide", "ukbb256"]
    assert all(each == keys[0] for each in keys)


@pytest.mark.parametrize(
    ("name", "in_generator", "in_discriminator"),
    [
        ("phantom64", 1_107_038, 296_369),
        ("ukbb256", 30_028_436, 28_863_873),
        ("dsb256", 30_028_436, 28_863_873),
    ],
)
def test_parameter_counts(name, in_generator, in_discriminator):
    config = read_config(name)
    generator, discriminator = networks(config)
    images = jnp.zeros((4, config.resolution, config.resolution, 1))
    assert count_params(generator, jnp.zeros((4, config.z_dim))) == in_generator
    assert count_params(discriminator, images) == in_discriminator


def test_ukbb256_computes_its_convolutions_in_bfloat16_and_stores_float32():
    config = read_config("ukbb256")
    generator, discriminator = networks(config)
    assert generator.dtype == discriminator.dtype == jnp.bfloat16
    z = jnp.zeros((4, config.z_dim))
    params = jax.eval_shape(generator.init, jax.random.key(0), z)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    assert jax.eval_shape(generator.apply, params, z).dtype == jnp.float32
