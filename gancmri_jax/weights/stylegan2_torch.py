"""Parameters under stylegan2-ada-pytorch's names, turned into ours and back.

Theirs is NCHW with [out in kh kw] kernels and a name a tensor (`synthesis.b8.conv0.weight`); ours
is NHWC with [kh kw in out] kernels in a tree (`synthesis/b8_conv0/kernel`).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gancmri_jax.weights.stylegan2_shapes import FILTER, W_AVG, Shapes

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


def generator_state(
    params: Tree, w_avg: np.ndarray, noise: Sequence[Any], shapes: Shapes
) -> dict[str, np.ndarray]:
    """Undo `network_params` for a generator, its buffers included.

    Args:
        params: The generator's parameters.
        w_avg: The mean of w.
        noise: Constant noise maps, coarse to fine, each [1 h w].
        shapes: Of every tensor by name, in the order to return them in.
    """
    maps = iter(noise)  # whose layers stand in `shapes` coarse to fine too
    state = {}
    for name, shape in shapes.items():
        if name.endswith("noise_const"):
            state[name] = np.asarray(next(maps))[0]
        elif name == W_AVG:
            state[name] = np.asarray(w_avg)
        else:
            state[name] = _theirs(name, shape, params)
    return state


def discriminator_state(params: Tree, shapes: Shapes) -> dict[str, np.ndarray]:
    """Undo `network_params` for a discriminator, its buffers included."""
    return {name: _theirs(name, shape, params) for name, shape in shapes.items()}


def _theirs(name: str, shape: tuple[int, ...], params: Tree) -> np.ndarray:
    if name.endswith("resample_filter"):
        return FILTER
    node = params
    for part in _path(name):
        node = node[part]
    array = np.asarray(node)
    if name.endswith("const"):
        return array.transpose(2, 0, 1)  # [h w c] -> [c h w]
    if name == "b4.fc.weight":
        by_position = array.reshape(4, 4, -1, len(array.T))  # [h w c o]
        return by_position.transpose(3, 2, 0, 1).reshape(shape)
    if len(shape) == 4:
        return array.transpose(3, 2, 0, 1)  # [kh kw i o] -> [o i kh kw]
    return array.T if name.endswith("weight") else array
