import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.networks.discriminator import Discriminator
from gancmri_jax.networks.generator import Generator
from gancmri_jax.weights.stylegan2_shapes import (
    FILTER,
    discriminator_shapes,
    discriminator_sizes,
    generator_shapes,
    generator_sizes,
)

SIZES = {
    "resolution": 32,
    "img_channels": 3,
    "z_dim": 4,
    "w_dim": 6,
    "mapping_layers": 3,
    "channel_base": 64,
    "channel_max": 8,
}
D_SIZES = {k: SIZES[k] for k in ("resolution", "img_channels", "channel_base", "channel_max")}


def zeros(shapes):
    states = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    return {n: FILTER if n.endswith("resample_filter") else a for n, a in states.items()}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"img_channels": 1, "mapping_layers": 8},
        {"resolution": 8},
        {"channel_base": 32 * 8},  # every layer as wide as the widest
        {"channel_base": 16},  # 4×4 narrower than channel_max: min(base / 4, max) is the widest
    ],
    ids=["colour", "grey, deep", "small", "one width", "narrow"],
)
def test_sizes_are_found_from_the_tensors(change):
    sizes = SIZES | change
    found = generator_sizes(zeros(generator_shapes(sizes)))
    assert generator_shapes(found) == generator_shapes(sizes)
    assert found == sizes or change == {"channel_base": 16}  # whose channel_max is any above 4
    d_sizes = {name: sizes[name] for name in D_SIZES}
    found = discriminator_sizes(zeros(discriminator_shapes(d_sizes)))
    assert discriminator_shapes(found) == discriminator_shapes(d_sizes)


@pytest.mark.parametrize("base", [32768, 16384], ids=["config-f", "paper256"])
def test_published_sizes_have_as_many_values_as_our_networks(base):
    sizes = SIZES | {
        **{"resolution": 256, "img_channels": 1, "z_dim": 512, "w_dim": 512},
        **{"mapping_layers": 8, "channel_base": base, "channel_max": 512},
    }
    d_sizes = {name: sizes[name] for name in D_SIZES}
    for network, example, shapes in (
        (Generator(channel_base=base), jnp.zeros((1, 512)), generator_shapes(sizes)),
        (
            Discriminator(channel_base=base),
            jnp.zeros((1, 256, 256, 1)),
            discriminator_shapes(d_sizes),
        ),
    ):
        params = jax.eval_shape(network.init, jax.random.key(0), example)
        buffers = ("resample_filter", "noise_const", "w_avg")
        count = sum(int(np.prod(s)) for name, s in shapes.items() if not name.endswith(buffers))
        assert count == sum(leaf.size for leaf in jax.tree.leaves(params))


GOOD = zeros(generator_shapes(SIZES))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"synthesis.b8.conv0.bias": None}, "has no synthesis.b8.conv0.bias"),
        ({"mapping.embed.weight": np.zeros(2)}, "mapping.embed.weight, which no generator without"),
        ({"synthesis.b8.conv0.bias": np.zeros(3)}, r"synthesis.b8.conv0.bias \(3,\), where .*\(8,"),
        ({"synthesis.b16.conv1.weight": np.zeros((7, 7, 3, 3))}, "layers 8, 8, 7, 2 wide"),
        ({"synthesis.b4.const": np.full((8, 4, 4), np.inf)}, "synthesis.b4.const .*not finite"),
        ({"synthesis.b8.resample_filter": np.ones((4, 4)) / 16}, "another filter"),
        ({"synthesis.b8.conv1.weight": None}, "no StyleGAN2 generator .*StyleGAN3 are not"),
        ({"mapping.fc0.weight": np.zeros(())}, "no sound tensor mapping.fc0.weight"),
    ],
    ids=["missing", "labels", "shape", "widths", "inf", "filter", "other", "scalar"],
)
def test_what_is_no_generator_is_refused(change, said):
    state = {name: array for name, array in (GOOD | change).items() if array is not None}
    with pytest.raises(InputError, match=said):
        generator_sizes(state)


def test_buffers_may_lack():
    lean = {n: a for n, a in GOOD.items() if not n.endswith(("resample_filter", "w_avg"))}
    assert generator_sizes(lean) == SIZES
