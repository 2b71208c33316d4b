import pickle

import numpy as np
import pytest

from gancmri_jax.weights.vgg16 import from_pickle, from_torch
from tests.weight_files import write_legacy, write_zip

RNG = np.random.default_rng(0)
# Channels are cut to a few: a kernel must not be its own transpose by chance.
KERNELS = [RNG.normal(size=(3, 3, 2 + k, 3 + k)).astype(np.float32) for k in range(13)]
HEADS = [RNG.normal(size=(1, 1, 4 + k, 1)).astype(np.float32) for k in range(5)]


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_both_sources_give_the_same(tmp_path, write):
    tree = {"VGG16_0": {}}
    for k, kernel in enumerate(KERNELS):
        tree["VGG16_0"][f"Conv_{k}"] = {"kernel": kernel, "bias": kernel[0, 0, 0]}
    for k, head in enumerate(HEADS):
        tree[f"NetLinLayer_{k}"] = {"Conv_0": {"kernel": head}}
    (tmp_path / "vgg16.ckpt").write_bytes(pickle.dumps(tree, 3))
    positions = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    vgg16 = {"classifier.0.weight": np.zeros((2, 2), np.float32)}
    for position, kernel in zip(positions, KERNELS, strict=True):
        vgg16[f"features.{position}.weight"] = kernel.transpose(3, 2, 0, 1)
        vgg16[f"features.{position}.bias"] = kernel[0, 0, 0]
    write(tmp_path / "vgg16.pth", vgg16)
    heads = {f"lin{k}.model.1.weight": head.transpose(3, 2, 0, 1) for k, head in enumerate(HEADS)}
    write(tmp_path / "vgg.pth", heads)
    ours = from_pickle([tmp_path / "vgg16.ckpt"])
    theirs = from_torch([tmp_path / "vgg16.pth", tmp_path / "vgg.pth"])
    assert ours.keys() == theirs.keys()
    assert len(ours) == 2 * 13 + 5
    for name, array in ours.items():
        np.testing.assert_array_equal(theirs[name], array)
    np.testing.assert_array_equal(ours["vgg16/conv3_3/kernel"], KERNELS[6])
    np.testing.assert_array_equal(ours["head5"], HEADS[4].ravel())
