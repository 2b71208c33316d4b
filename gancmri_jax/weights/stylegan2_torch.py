"""Parameters under stylegan2-ada-pytorch's names, turned into ours.

Theirs is NCHW with [out in kh kw] kernels and a name a tensor (`synthesis.b8.conv0.weight`); ours
is NHWC with [kh kw in out] kernels in a tree (`synthesis/b8_conv0/kernel`).
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

Tree = dict[str, Any]


def network_params(state: Mapping[str, np.ndarray]) -> Tree:
    """Return the parameters of `networks.generator.Generator`, or of `Discriminator`."""
    return _tree({name: array for name, array in state.items() if _is_parameter(name)})


def generator_noise(state: Mapping[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Return the constant noise maps, coarse to fine, each [1 h w]."""
    names = sorted(name for name in state if name.endswith("noise_const"))
    maps = [state[name][None] for name in names]
    return tuple(sorted(maps, key=lambda noise: noise.shape[1]))


def _is_parameter(name: str) -> bool:
    return not name.endswith(("resample_filter", "noise_const", "w_avg"))


def _tree(state: Mapping[str, np.ndarray]) -> Tree:
    tree: Tree = {}
    for name, array in state.items():
        *path, leaf = _path(name)
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[leaf] = _ours(name, array)
    return tree


def _path(name: str) -> list[str]:
    """Split a name, block and layer joined: `b8.conv0.weight` → `b8_conv0`, `kernel`."""
    name = re.sub(r"b\d+\.(fromrgb|const)", r"\1", name)
    name = re.sub(r"(b\d+)\.", r"\1_", name)
    return re.sub(r"weight$", "kernel", name).split(".")


def _ours(name: str, array: np.ndarray) -> np.ndarray:
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)  # [o i kh kw] -> [kh kw i o]
    if name.endswith("const"):
        return array.transpose(1, 2, 0)  # [c h w] -> [h w c]
    if name == "b4.fc.weight":
        # Theirs flattens [c h w] before this layer, ours [h w c].
        by_position = array.reshape(len(array), -1, 4, 4).transpose(2, 3, 1, 0)  # [h w c o]
        return by_position.reshape(-1, len(array))
    return array.T if name.endswith("weight") else array
