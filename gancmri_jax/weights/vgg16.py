"""VGG16's convolutions with the heads of LPIPS v0.1."""

import pathlib
from collections.abc import Sequence

import numpy as np

from gancmri_jax.weights.pickles import read_arrays
from gancmri_jax.weights.torch_files import read_torch

_LAYERS = [
    f"conv{stage}_{index}"
    for stage, count in enumerate((2, 2, 3, 3, 3), start=1)
    for index in range(1, count + 1)
]
# Where torchvision's list of layers has convolutions, ReLUs and pools standing between.
_TORCHVISION = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


def from_pickle(paths: Sequence[pathlib.Path]) -> dict[str, np.ndarray]:
    """Convert one pickle of both, with convolutions `VGG16_0/Conv_k` and heads `NetLinLayer_k`."""
    arrays = read_arrays(paths[0])
    params = {}
    for index, layer in enumerate(_LAYERS):
        for leaf in ("kernel", "bias"):
            params[f"vgg16/{layer}/{leaf}"] = arrays[f"VGG16_0/Conv_{index}/{leaf}"]
    for index in range(5):
        params[f"head{index + 1}"] = arrays[f"NetLinLayer_{index}/Conv_0/kernel"].reshape(-1)
    return params


def from_torch(paths: Sequence[pathlib.Path]) -> dict[str, np.ndarray]:
    """Convert torchvision's VGG16 and, from a second file, the heads under their authors' names."""
    vgg16, heads = map(read_torch, paths)
    params = {}
    for index, layer in zip(_TORCHVISION, _LAYERS, strict=True):
        kernel = vgg16[f"features.{index}.weight"].transpose(2, 3, 1, 0)  # OIHW → HWIO
        params[f"vgg16/{layer}/kernel"] = kernel
        params[f"vgg16/{layer}/bias"] = vgg16[f"features.{index}.bias"]
    for index in range(5):
        params[f"head{index + 1}"] = heads[f"lin{index}.model.1.weight"].reshape(-1)
    return params
