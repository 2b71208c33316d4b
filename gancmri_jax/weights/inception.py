"""The Inception network of 2015-12-05, out of PyTorch's files, under the names of its own graph."""

import pathlib
import re
from collections.abc import Sequence

import numpy as np

from gancmri_jax.weights.batch_norm import fold_batch_norm
from gancmri_jax.weights.torch_files import read_torch

# Layers of torchvision's Inception v3 → of the original graph.
_STEM = {
    "Conv2d_1a_3x3": "conv",
    "Conv2d_2a_3x3": "conv_1",
    "Conv2d_2b_3x3": "conv_2",
    "Conv2d_3b_1x1": "conv_3",
    "Conv2d_4a_3x3": "conv_4",
}
_BLOCKS = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")
_BRANCHES = {
    "branch1x1": "conv",
    "branch3x3": "conv",
    "branch3x3_2a": "tower_mixed_conv",
    "branch3x3_2b": "tower_mixed_conv_1",
    "branch3x3dbl_3a": "tower_1_mixed_conv",
    "branch3x3dbl_3b": "tower_1_mixed_conv_1",
    "branch_pool": "tower_2_conv",
}


def from_torchscript(paths: Sequence[pathlib.Path]) -> dict[str, np.ndarray]:
    """Convert a TorchScript file with the graph's own names, `net/layers/mixed/conv/weight`."""
    tensors = read_torch(paths[0])
    params: dict[str, np.ndarray] = {}
    for name in tensors:
        layer, _, leaf = name.removeprefix("net/layers/").rpartition("/")
        if leaf == "weight":
            at = name.removesuffix("weight")
            block, _, rest = layer.partition("/")
            ours = f"{block}/{rest.replace('/', '_')}" if rest else block
            shift, mean, variance = (tensors[at + leaf] for leaf in ("beta", "mean", "var"))
            params |= _folded(ours, tensors[name], shift, mean, variance)
    return params


def from_torchvision(paths: Sequence[pathlib.Path]) -> dict[str, np.ndarray]:
    """Convert a state dictionary under torchvision's names, as `Mixed_5b.branch1x1.conv.weight`."""
    tensors = read_torch(paths[0])
    params: dict[str, np.ndarray] = {}
    for name in tensors:
        if name.endswith(".conv.weight"):
            layer = name.removesuffix("conv.weight")
            gain, shift, mean, variance = (
                tensors[f"{layer}bn.{leaf}"]
                for leaf in ("weight", "bias", "running_mean", "running_var")
            )
            ours = graph_name(layer.removesuffix("."))
            params |= _folded(ours, tensors[name], shift, mean, variance, gain)
    return params


def graph_name(layer: str) -> str:
    """Turn torchvision's name of a layer into ours.

    `Mixed_6b.branch7x7_2` becomes `mixed_4/tower_conv_1`.
    """
    if layer in _STEM:
        return _STEM[layer]
    block, branch = layer.removeprefix("Mixed_").split(".")
    index = _BLOCKS.index(block)
    name = _BRANCHES.get(branch)
    if name is None:
        match = re.fullmatch(r"branch(\w+)_(\d)", branch)
        assert match, layer
        kind, step = match.groups()
        # The block that reduces to 17² has one tower alone.
        second = kind in ("3x3dbl", "7x7dbl", "7x7x3") and block != "6a"
        name = _numbered("tower_1_conv" if second else "tower_conv", int(step) - 1)
    return f"{_numbered('mixed', index)}/{name}"


def _numbered(name: str, index: int) -> str:
    return f"{name}_{index}" if index else name


def _folded(layer: str, weight: np.ndarray, *normalisation: np.ndarray) -> dict[str, np.ndarray]:
    kernel, bias = fold_batch_norm(weight.transpose(2, 3, 1, 0), *normalisation)  # OIHW → HWIO
    return {f"{layer}/kernel": kernel, f"{layer}/bias": bias}
