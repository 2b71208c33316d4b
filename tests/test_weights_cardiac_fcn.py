import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cache import CACHE_VARIABLE
from gancmri_jax.errors import InputError
from gancmri_jax.networks.cardiac_fcn import CardiacFCN
from gancmri_jax.weights import fetch
from gancmri_jax.weights.cardiac_fcn import convert
from tests.tf_files import write_checkpoint


@pytest.fixture(scope="module")
def variables():
    """A checkpoint as TensorFlow 1 names it: 21 layers, Adam's moments, its powers of β."""
    random = np.random.default_rng(0)
    shapes, before = [], 1
    for level, count in enumerate((2, 2, 3, 3, 3)):
        for _ in range(count):
            shapes.append((3, 3, before, 16 << level))
            before = 16 << level
    shapes += [(1, 1, 16 << level, 32) for level in range(5)]
    shapes += [(1, 1, 160, 64), (1, 1, 64, 64), (1, 1, 64, 6)]
    found = {}
    for number, shape in enumerate(shapes):
        end = f"_{number}" if number else ""
        trained = {f"conv2d{end}/kernel": random.normal(size=shape)}
        if number == 20:
            trained[f"conv2d{end}/bias"] = random.normal(size=6)
        else:
            for leaf in ("gamma", "beta"):
                trained[f"batch_normalization{end}/{leaf}"] = random.normal(size=shape[3])
            for leaf in ("moving_mean", "moving_variance"):
                name = f"batch_normalization{end}/{leaf}"
                found[name] = random.uniform(1, 2, shape[3]).astype("<f4")
        for name, array in trained.items():
            found[name] = array.astype("<f4")
            found |= {f"{name}/{slot}": np.zeros_like(found[name]) for slot in ("Adam", "Adam_1")}
    return found | {f"beta{k}_power": np.asarray(0.9, "<f4") for k in (1, 2)}


def test_it_is_as_long_as_the_published_checkpoint(variables):
    """1,985,686 trainable values thrice, moving statistics, two powers: 23,842,064 bytes."""
    assert sum(array.nbytes for array in variables.values()) == 23_842_064


def test_it_becomes_the_networks_variables(tmp_path, variables, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    write_checkpoint(tmp_path / "FCN_la_4ch_seg4", variables)
    fetch.fetch("cardiac-fcn", tmp_path)
    weights = fetch.load_weights("cardiac-fcn")
    assert weights.metadata["licence"] == "none stated"
    expected = jax.eval_shape(CardiacFCN().init, jax.random.key(0), jnp.zeros((1, 16, 16, 1)))
    flat = flax.traverse_util.flatten_dict(expected, sep="/")
    shapes = {name: array.shape for name, array in weights.tensors.items()}
    assert shapes == {name: leaf.shape for name, leaf in flat.items()}
    for ours, theirs in {
        "params/encoder_0_0/kernel": "conv2d/kernel",
        "params/encoder_2_0/kernel": "conv2d_4/kernel",
        "params/encoder_4_2/norm/scale": "batch_normalization_12/gamma",
        "params/narrow_0/norm/bias": "batch_normalization_13/beta",
        "batch_stats/merge/norm/mean": "batch_normalization_18/moving_mean",
        "batch_stats/head/norm/var": "batch_normalization_19/moving_variance",
        "params/classify/bias": "conv2d_20/bias",
    }.items():
        np.testing.assert_array_equal(weights.tensors[ours], variables[theirs])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"conv2d_3/kernel": None}, "has no variable conv2d_3/kernel"),
        ({"conv2d_3/kernel": np.zeros((3, 3, 32, 64), "<f4")}, r"conv2d_3/kernel is \(3, 3, 32"),
        ({"conv2d_20/bias": np.full(6, np.nan, "<f4")}, "not finite"),
        ({"dense/kernel": np.zeros(2, "<f4")}, "has a variable dense/kernel, which"),
    ],
    ids=["missing", "shape", "nan", "unknown"],
)
def test_another_network_is_refused(variables, change, said):
    changed = {k: v for k, v in (variables | change).items() if v is not None}
    with pytest.raises(InputError, match=f"net.index: .*{said}"):
        convert(changed, "net.index")
