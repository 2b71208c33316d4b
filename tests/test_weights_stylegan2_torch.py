import numpy as np

from gancmri_jax.weights.stylegan2_shapes import discriminator_shapes, generator_shapes
from gancmri_jax.weights.stylegan2_torch import (
    discriminator_state,
    generator_noise,
    generator_state,
    network_params,
)
from tests import foreign


def test_there_and_back_is_exact():
    g, d = foreign.generator(), foreign.discriminator()
    noise = generator_noise(g)
    assert [each.shape for each in noise] == [(1, r, r) for r in (4, 8, 8, 16, 16)]
    shapes = generator_shapes(foreign.SIZES)
    back = generator_state(network_params(g), g["mapping.w_avg"], noise, shapes)
    assert list(back) == list(shapes)
    for name, array in g.items():
        np.testing.assert_array_equal(back[name], array)
    shapes = discriminator_shapes(foreign.D_SIZES)
    back = discriminator_state(network_params(d), shapes)
    assert back.keys() == d.keys()
    for name, array in d.items():
        np.testing.assert_array_equal(back[name], array)


def test_the_discriminators_dense_layer_by_hand():
    """Theirs flattens [c h w], ours [h w c]: channel 3 at row 1, column 2 moves from 54 to 51."""
    shapes = discriminator_shapes(foreign.D_SIZES)
    d = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    d["b4.fc.weight"][5, 3 * 16 + 1 * 4 + 2] = 1
    kernel = network_params(d)["b4_fc"]["kernel"]
    assert np.argwhere(kernel).tolist() == [[(1 * 4 + 2) * 8 + 3, 5]]
