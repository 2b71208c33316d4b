"""Either file of the network gives all its parameters, whichever names it bears."""

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.networks.inception import Inception
from gancmri_jax.weights.inception import from_torchvision, graph_name
from tests.weight_files import write_legacy, write_zip

BRANCHES = {
    **dict.fromkeys(
        ("5b", "5c", "5d"),
        "1x1 5x5_1 5x5_2 3x3dbl_1 3x3dbl_2 3x3dbl_3 _pool",
    ),
    "6a": "3x3 3x3dbl_1 3x3dbl_2 3x3dbl_3",
    **dict.fromkeys(
        ("6b", "6c", "6d", "6e"),
        "1x1 7x7_1 7x7_2 7x7_3 7x7dbl_1 7x7dbl_2 7x7dbl_3 7x7dbl_4 7x7dbl_5 _pool",
    ),
    "7a": "3x3_1 3x3_2 7x7x3_1 7x7x3_2 7x7x3_3 7x7x3_4",
    **dict.fromkeys(
        ("7b", "7c"), "1x1 3x3_1 3x3_2a 3x3_2b 3x3dbl_1 3x3dbl_2 3x3dbl_3a 3x3dbl_3b _pool"
    ),
}
STEM = ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")
LAYERS = [f"Conv2d_{name}" for name in STEM] + [
    f"Mixed_{block}.branch{branch}" for block, all_ in BRANCHES.items() for branch in all_.split()
]


def expected_shapes():
    image = jax.ShapeDtypeStruct((1, 299, 299, 3), jnp.float32)
    params = jax.eval_shape(Inception().init, jax.random.key(0), image)["params"]
    flat = flax.traverse_util.flatten_dict(params, sep="/")
    return {path: leaf.shape for path, leaf in flat.items()}


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_torchvisions_names_cover_the_network(tmp_path, write):
    """A file of the layout of the release, its channels cut to one out of sixteen."""
    arrays = {"fc.weight": np.zeros((4, 3), np.float32)}
    shapes = expected_shapes()
    for layer in LAYERS:
        kh, kw, i, o = (1 + (n - 1) // 16 for n in shapes[f"{graph_name(layer)}/kernel"])
        kh, kw = shapes[f"{graph_name(layer)}/kernel"][:2]
        arrays[f"{layer}.conv.weight"] = np.ones((o, i, kh, kw), np.float32)
        for leaf, value in (("weight", 2), ("bias", 5), ("running_mean", 3), ("running_var", 4)):
            arrays[f"{layer}.bn.{leaf}"] = np.full(o, value - 0.001 * (value == 4), np.float32)
    path = tmp_path / "inception.pth"
    write(path, arrays)
    params = from_torchvision([path])
    assert params.keys() == shapes.keys()
    for name, array in params.items():
        assert array.dtype == np.float32
        assert array.shape[:-2] == shapes[name][:-2]
        # The gain 2 over the standard deviation 2, and 5 less the mean 3 times that.
        np.testing.assert_allclose(array, 1 if name.endswith("kernel") else 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        ("Conv2d_2b_3x3", "conv_2"),
        ("Mixed_5b.branch3x3dbl_1", "mixed/tower_1_conv"),
        ("Mixed_6a.branch3x3dbl_3", "mixed_3/tower_conv_2"),
        ("Mixed_6b.branch7x7_2", "mixed_4/tower_conv_1"),
        ("Mixed_7a.branch7x7x3_4", "mixed_8/tower_1_conv_3"),
        ("Mixed_7c.branch3x3_2b", "mixed_10/tower_mixed_conv_1"),
    ],
)
def test_names_of_the_graph(layer, name):
    assert graph_name(layer) == name
