"""Files of other projects come back under one set of names, whatever wrote them."""

import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.weights.stylegan2_files import read_foreign
from tests import foreign
from tests.weight_files import write_legacy

G, D = foreign.generator(), foreign.discriminator()
SIZES = {**foreign.D_SIZES, "mbstd_group": 2}


def assert_states(found, wanted, *, exact=True):
    """Compare the tensors; resampling filters are not in every file."""
    given = {name for name in wanted if not name.endswith("resample_filter")}
    assert given <= found.keys() <= wanted.keys()
    for name in given:
        if exact:
            np.testing.assert_array_equal(found[name], wanted[name])
        else:
            np.testing.assert_allclose(found[name], wanted[name], rtol=0, atol=3e-7)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_tensorflows_pickle(tmp_path, protocol):
    path = tmp_path / "net.pkl"
    foreign.write_tf(path, G, D, protocol, resample_kernel=[1, 3, 3, 1])
    found = read_foreign(path)
    assert found.kind == "StyleGAN2 TensorFlow pickle"
    assert (found.generator_sizes, found.discriminator_sizes) == (foreign.SIZES, SIZES)
    assert_states(found.discriminator, D)
    assert_states(found.generator, G, exact=False)  # biases of styles less one, and one again
    assert found.generator["synthesis.b8.conv1.weight"].dtype == np.float32


def test_stylegan2_ada_pytorchs_pickle(tmp_path):
    path = tmp_path / "net.pkl"
    foreign.write_ada(path, G, D)
    found = read_foreign(path)
    assert found.kind == "stylegan2-ada-pytorch pickle"
    assert (found.generator_sizes, found.discriminator_sizes) == (foreign.SIZES, SIZES)
    assert_states(found.generator, G)
    assert_states(found.discriminator, D)


@pytest.mark.parametrize("with_mean", [False, True])
def test_rosinalitys_checkpoint(tmp_path, with_mean):
    path = tmp_path / "net.pt"
    mean = {"latent_avg": G["mapping.w_avg"][None]} if with_mean else {}
    foreign.write_rosinality(path, G, D, **mean)
    found = read_foreign(path)
    assert found.kind == "rosinality checkpoint"
    assert found.discriminator_sizes == {**foreign.D_SIZES, "mbstd_group": 4}
    assert ("mapping.w_avg" in found.generator) == with_mean
    assert_states({"mapping.w_avg": G["mapping.w_avg"]} | found.generator, G)
    assert_states(found.discriminator, D)


def test_a_checkpoint_without_a_discriminator(tmp_path):
    path = tmp_path / "net.pt"
    foreign.write_rosinality(path, G, {})
    tree = read_foreign(path)
    assert tree.discriminator is None and tree.discriminator_sizes == {}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"label_size": 3}, "another label_size than 0"),
        ({"resample_kernel": None}, "another resample_kernel than"),
        ({"mapping_lrmul": 0.1}, "another mapping_lrmul than 0.01"),
    ],
    ids=["labels", "kernel", "rate"],
)
def test_a_network_that_computes_otherwise_is_refused(tmp_path, told, said):
    path = tmp_path / "net.pkl"
    foreign.write_tf(path, G, D, **told)
    with pytest.raises(InputError, match=f"net.pkl: has {said}"):
        read_foreign(path)


def test_another_learning_rate_of_adas_mapping_is_refused(tmp_path):
    path = tmp_path / "net.pkl"
    foreign.write_ada(path, G, D, bias_gain=0.1)
    with pytest.raises(InputError, match="another lr_multiplier than 0.01"):
        read_foreign(path)


@pytest.mark.parametrize("limit", [None, 256])
def test_what_activations_were_kept_within_is_known(tmp_path, limit):
    path = tmp_path / "net.pkl"
    foreign.write_ada(path, G, D, conv_clamp=limit)
    assert read_foreign(path).conv_clamp == limit


def test_stylegan3_is_told_from_stylegan2(tmp_path):
    path = tmp_path / "net.pkl"
    g = {name: array for name, array in G.items() if name.startswith("mapping")}
    foreign.write_ada(path, {**g, "synthesis.L0_36_512.weight": np.zeros(2, np.float32)}, D)
    with pytest.raises(InputError, match="holds no StyleGAN2 generator .*StyleGAN3 are not"):
        read_foreign(path)


def test_a_discriminator_of_another_size_is_refused(tmp_path):
    path = tmp_path / "net.pkl"
    foreign.write_tf(path, G, foreign.discriminator(img_channels=1))
    with pytest.raises(InputError, match="generator and a discriminator of different img_channels"):
        read_foreign(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"g_ema/style.1.weigth": np.zeros(1)}, "style.1.weigth that no rosinality generator has"),
        ({"d/convs.1.conv9.0.weight": np.zeros(1)}, "conv9.0.weight that no rosinality discrim"),
        ({"g_ema/a.kernel": np.ones((4, 4))}, "another filter"),
    ],
    ids=["generator", "discriminator", "filter"],
)
def test_rosinalitys_wrong_names_are_refused(tmp_path, change, said):
    path = tmp_path / "net.pt"
    foreign.write_rosinality(path, G, D, **change)
    with pytest.raises(InputError, match=f"net.pt: .*{said}"):
        read_foreign(path)


def test_old_pytorch_files_and_others_are_told_apart(tmp_path):
    path = tmp_path / "net.pt"
    write_legacy(path, {"weight": np.zeros(2, np.float32)})
    with pytest.raises(InputError, match="without g_ema"):
        read_foreign(path)
    with pytest.raises(InputError, match="nothing.pkl: no such file"):
        read_foreign(tmp_path / "nothing.pkl")


def test_tensorflows_wrong_names_are_refused(tmp_path):
    path = tmp_path / "net.pkl"
    lacking = {name: array for name, array in G.items() if name != "synthesis.b8.conv0.bias"}
    foreign.write_tf(path, lacking, D)
    with pytest.raises(InputError, match="has no synthesis.b8.conv0.bias"):
        read_foreign(path)
