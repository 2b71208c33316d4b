"""rosinality/stylegan2-pytorch's checkpoints: a dictionary of state dictionaries.

`g_ema` (with `g`, `d` and the mean of w, `latent_avg`, where it was trained on or converted) under
names of its own: `style.1`, `conv1.conv`, `convs.0.conv` for 8×8's first layer, `to_rgbs.0`.
"""

import re
from collections.abc import Mapping

import numpy as np

from gancmri_jax.errors import InputError
from gancmri_jax.weights.stylegan2_shapes import FILTER, W_AVG, State

GROUP = 4  # of the minibatch standard deviation; the code fixes it


def read_rosinality(tensors: Mapping[str, np.ndarray]) -> tuple[State, State | None, int]:
    """Return g_ema and d under stylegan2-ada-pytorch's names, and the size of d's groups.

    Args:
        tensors: By paths with slashes, `g_ema/style.1.weight`.

    Raises:
        InputError: A tensor means nothing in a StyleGAN2.
    """
    generator: State = {}
    discriminator: State = {}
    for path, array in tensors.items():
        room, _, name = path.partition("/")
        if room == "g_ema" and not _is_filter(name, array):
            generator[_generator_name(name)] = _generator_array(name, array)
        elif room == "d" and not _is_filter(name, array):
            ours = _discriminator_name(name)
            discriminator[ours] = array
    if "latent_avg" in tensors:
        generator[W_AVG] = tensors["latent_avg"].reshape(-1)
    return generator, _at_resolutions(discriminator) or None, GROUP


def _is_filter(name: str, array: np.ndarray) -> bool:
    """Pass over resampling kernels, once they are seen to be the usual one at any gain."""
    if not name.endswith(".kernel"):
        return False
    if array.shape != FILTER.shape or not np.allclose(array, FILTER * array.sum(), atol=1e-5):
        raise InputError(f"resamples with another filter than [1, 3, 3, 1] ({name[:100]})")
    return True


def _generator_name(name: str) -> str:
    if match := re.fullmatch(r"style\.(\d+)\.(weight|bias)", name):
        return f"mapping.fc{int(match[1]) - 1}.{match[2]}"  # style.0 has no parameters
    if name == "input.input":
        return "synthesis.b4.const"
    if match := re.fullmatch(r"noises\.noise_(\d{1,2})", name):
        return f"{_noisy_layer(int(match[1]))}.noise_const"
    if match := re.fullmatch(r"(conv1|convs\.(\d{1,2}))\.(.+)", name):
        layer = _noisy_layer(0 if match[2] is None else int(match[2]) + 1)
        leaf = {
            "conv.weight": "weight",
            "conv.modulation.weight": "affine.weight",
            "conv.modulation.bias": "affine.bias",
            "noise.weight": "noise_strength",
            "activate.bias": "bias",
        }.get(match[3])
    elif match := re.fullmatch(r"(to_rgb1|to_rgbs\.(\d{1,2}))\.(.+)", name):
        layer = f"synthesis.b{4 if match[2] is None else 8 << int(match[2])}.torgb"
        leaf = {
            "conv.weight": "weight",
            "conv.modulation.weight": "affine.weight",
            "conv.modulation.bias": "affine.bias",
            "bias": "bias",
        }.get(match[3])
    else:
        leaf = None
    if leaf is None:
        raise InputError(f"has a tensor {name[:100]} that no rosinality generator has")
    return f"{layer}.{leaf}"


def _noisy_layer(index: int) -> str:
    """Return layer 0, 4×4's; 1, the first of 8×8; 2, the second; …"""
    return f"synthesis.b{4 << (index + 1) // 2}.conv{(index + 1) % 2}"


def _generator_array(name: str, array: np.ndarray) -> np.ndarray:
    if name.endswith("conv.weight") or name == "input.input":
        return array[0]  # [1 o i kh kw], [1 c 4 4]
    if name.endswith("noise.weight"):
        return array.reshape(())
    if name.startswith("noises."):
        return array.reshape(array.shape[-2:])
    return array.reshape(-1) if name.startswith("to_rgb") and array.ndim == 4 else array


def _discriminator_name(name: str) -> str:
    """Name a tensor by its block, counted from the image: `@0.conv0.weight`."""
    last = {
        "final_conv.0.weight": "b4.conv.weight",
        "final_conv.1.bias": "b4.conv.bias",
        "final_linear.0.weight": "b4.fc.weight",
        "final_linear.0.bias": "b4.fc.bias",
        "final_linear.1.weight": "b4.out.weight",
        "final_linear.1.bias": "b4.out.bias",
        "convs.0.0.weight": "@0.fromrgb.weight",
        "convs.0.1.bias": "@0.fromrgb.bias",
    }
    if name in last:
        return last[name]
    match = re.fullmatch(r"convs\.(\d{1,2})\.(\w+)\.(\d\.\w+)", name)
    leaf = match and {
        "conv1 0.weight": "conv0.weight",
        "conv1 1.bias": "conv0.bias",
        "conv2 1.weight": "conv1.weight",
        "conv2 2.bias": "conv1.bias",
        "skip 1.weight": "skip.weight",
    }.get(f"{match[2]} {match[3]}")
    if not match or not leaf:
        raise InputError(f"has a tensor {name[:100]} that no rosinality discriminator has")
    return f"@{int(match[1]) - 1}.{leaf}"


def _at_resolutions(state: State) -> State:
    """Replace the blocks' numbers by their resolutions: the last one is at 8²."""
    blocks = {int(name[1:].partition(".")[0]) for name in state if name.startswith("@")}
    named: State = {}
    for name, array in state.items():
        if name.startswith("@"):
            number, _, leaf = name[1:].partition(".")
            name = f"b{8 << (max(blocks) - int(number))}.{leaf}"
        named[name] = array
    return named
