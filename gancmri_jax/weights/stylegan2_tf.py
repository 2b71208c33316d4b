"""StyleGAN2's TensorFlow pickles: a tuple (G, D, Gs) of networks that hold their variables.

A network is a record whose state lists `variables` as (name, array) pairs; the generator's lie in
its `components`, mapping and synthesis. Kernels are [kh kw in out] and dense ones [in out]; those
of up-convolutions are turned by half a turn; a style's bias is less by the 1 it starts at.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from gancmri_jax.errors import InputError
from gancmri_jax.weights.pickles import Record, numpy_array
from gancmri_jax.weights.stylegan2_shapes import State

NETWORK = "dnnlib.tflib.network.Network"
# What a network may be told, where telling it something else would change what it computes.
_USUAL = {
    "resample_kernel": [1, 3, 3, 1],
    "mapping_lrmul": 0.01,
    "mapping_nonlinearity": "lrelu",
    "nonlinearity": "lrelu",
    "normalize_latents": True,
    "mbstd_num_features": 1,
    "label_size": 0,
}
_MOST = 1000  # variables of a network; G at 1024² has 130
_GENERATOR_LAYERS = {
    "Conv": "conv1",
    "Conv0_up": "conv0",
    "Conv1": "conv1",
    "ToRGB": "torgb",
}
_DISCRIMINATOR_LAYERS = {
    "FromRGB": "fromrgb",
    "Conv0": "conv0",
    "Conv1_down": "conv1",
    "Skip": "skip",
    "Conv": "conv",
    "Dense0": "fc",
}


def is_tf_pickle(tree: Any) -> bool:
    """Say whether a pickle holds (G, D, Gs)."""
    return (
        isinstance(tree, tuple)
        and len(tree) == 3
        and all(isinstance(member, Record) and member.path == NETWORK for member in tree)
    )


def read_tf(tree: Any) -> tuple[State, State, int]:
    """Return Gs and D under stylegan2-ada-pytorch's names, and the size of D's groups.

    Raises:
        InputError: They are no StyleGAN2's, or compute in a way that ours do not.
    """
    _, discriminator, average = tree
    generator = _variables(average)
    for name in ("mapping", "synthesis"):
        generator |= _variables(_component(average, name))
    maps = {name: array for name, array in generator.items() if re.fullmatch(r"noise\d+", name)}
    state: State = {}
    for name, array in generator.items():
        if name not in maps and name != "lod":
            state |= _generator_tensor(name, array)
    for index, name in enumerate(sorted(maps, key=lambda name: int(name[5:]))):
        # noise0 belongs to 4×4/Conv, noise1 to 8×8/Conv0_up, noise2 to 8×8/Conv1, …
        layer = f"synthesis.b{4 << (index + 1) // 2}.conv{(index + 1) % 2}"
        state[f"{layer}.noise_const"] = maps[name].reshape(maps[name].shape[-2:])
    judge = _discriminator_state(_variables(discriminator))
    return state, judge, _members(discriminator.state["static_kwargs"]).get("mbstd_group_size", 4)


def _variables(network: Record) -> State:
    try:
        told = _members(network.state["static_kwargs"])
        pairs = network.state["variables"]
        if len(pairs) > _MOST or not all(isinstance(name, str) for name, _ in pairs):
            raise TypeError
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("holds a network without variables") from error
    for name, usual in _USUAL.items():
        if told.get(name, usual) != usual:
            raise InputError(f"has another {name} than {usual}, which cannot be computed")
    return {name: numpy_array(record) for name, record in pairs}


def _members(tree: Any) -> dict[str, Any]:
    members = tree.items if isinstance(tree, Record) else tree  # dnnlib's own kind of dictionary
    if not isinstance(members, dict):
        raise TypeError
    return members


def _component(network: Record, name: str) -> Record:
    try:
        found = _members(network.state["components"])[name]
    except (KeyError, TypeError) as error:
        raise InputError(f"has a generator without {name}") from error
    if not isinstance(found, Record):
        raise InputError(f"has a generator without {name}")
    return found


def _generator_tensor(name: str, array: np.ndarray) -> State:
    if name == "dlatent_avg":
        return {"mapping.w_avg": array}
    if match := re.fullmatch(r"Dense(\d+)/(weight|bias)", name):
        return {f"mapping.fc{match[1]}.{match[2]}": _dense(array)}
    if match := re.fullmatch(r"4x4/Const/const", name):
        return {"synthesis.b4.const": array[0]}
    match = re.fullmatch(r"(\d+)x\1/(\w+)/(\w+)", name)
    layer = match and _GENERATOR_LAYERS.get(match[2])
    if not match or not layer:
        raise InputError(f"has a variable {name[:100]} that no generator with an image skip has")
    ours = f"synthesis.b{match[1]}.{layer}"
    if match[3] == "mod_weight":
        return {f"{ours}.affine.weight": _dense(array)}
    if match[3] == "mod_bias":
        return {f"{ours}.affine.bias": array + 1}
    if match[3] == "weight" and match[2] == "Conv0_up":
        return {f"{ours}.weight": _kernel(array[::-1, ::-1])}
    return {f"{ours}.{match[3]}": _kernel(array)}


def _discriminator_state(variables: Mapping[str, np.ndarray]) -> State:
    state: State = {}
    for name, array in variables.items():
        match = re.fullmatch(r"(\d+)x\1/(\w+)/(weight|bias)", name)
        layer = match and _DISCRIMINATOR_LAYERS.get(match[2])
        if match and layer:
            state[f"b{match[1]}.{layer}.{match[3]}"] = _kernel(_dense(array))
        elif name in ("Output/weight", "Output/bias"):
            state[f"b4.out.{name[7:]}"] = _dense(array)
        elif name != "lod":
            raise InputError(f"has a variable {name[:100]} that no residual discriminator has")
    return state


def _dense(array: np.ndarray) -> np.ndarray:
    return array.T if array.ndim == 2 else array


def _kernel(array: np.ndarray) -> np.ndarray:
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array  # HWIO → OIHW
