"""ukbb_cardiac's four-chamber network out of its TensorFlow 1 checkpoint.

Its layers are taken to have been made in the order in which the network computes, as `tf.layers`
numbers them: `conv2d`, `conv2d_1`, … and `batch_normalization`, …. Every shape is compared, and a
variable that does not fit is refused, so that a wrong order cannot pass unseen where widths differ.
"""

import pathlib
import re
from collections.abc import Sequence

import numpy as np

from gancmri_jax.errors import InputError
from gancmri_jax.weights.tf_checkpoint import read_checkpoint

_FILTERS = (16, 32, 64, 128, 256)
_CONVOLUTIONS = (2, 2, 3, 3, 3)
_LEVEL_WIDTH, _HEAD_WIDTH, _CLASSES = 32, 64, 6
# What training keeps beside the network: Adam's moments, its powers of β, the step.
_TRAINING = re.compile(r".*/Adam(_1)?|beta[12]_power|global_step")
_NORM = {
    "gamma": "params/{}/norm/scale",
    "beta": "params/{}/norm/bias",
    "moving_mean": "batch_stats/{}/norm/mean",
    "moving_variance": "batch_stats/{}/norm/var",
}


def from_checkpoint(paths: Sequence[pathlib.Path]) -> dict[str, np.ndarray]:
    """Convert index and data file to `params/…` and `batch_stats/…` of `networks.cardiac_fcn`.

    Raises:
        InputError: The checkpoint is broken, or of another network.
    """
    index, data = paths
    return convert(read_checkpoint(index, data), str(index))


def convert(variables: dict[str, np.ndarray], origin: str) -> dict[str, np.ndarray]:
    """Convert variables by TensorFlow's names; `origin` is named in refusals."""
    left = {name: array for name, array in variables.items() if not _TRAINING.fullmatch(name)}
    tensors = {}
    for name, (path, shape) in _layers().items():
        if name not in left:
            raise InputError(
                f"{origin}: has no variable {name}; layers are found by tf.layers' names, in the "
                "order in which FCN_la_4ch_seg4 computes"
            )
        array = left.pop(name)
        if array.shape != shape:
            raise InputError(f"{origin}: variable {name} is {array.shape}, expected {shape}")
        if not np.isfinite(array).all():
            raise InputError(f"{origin}: variable {name} holds values that are not finite")
        if path == "params/classify/kernel":
            array = array[0, 0]
        tensors[path] = np.asarray(array, np.float32)
    if left:
        raise InputError(f"{origin}: has a variable {min(left)[:100]}, which the network has not")
    return tensors


def _layers() -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return our path and the shape of each variable, in the order in which layers are made."""
    kernels: dict[str, tuple[int, ...]] = {}
    before = 1
    for level, (width, count) in enumerate(zip(_FILTERS, _CONVOLUTIONS, strict=True)):
        for layer in range(count):
            kernels[f"encoder_{level}_{layer}"] = (3, 3, before, width)
            before = width
    for level, width in enumerate(_FILTERS):
        kernels[f"narrow_{level}"] = (1, 1, width, _LEVEL_WIDTH)
    kernels["merge"] = (1, 1, _LEVEL_WIDTH * len(_FILTERS), _HEAD_WIDTH)
    kernels["head"] = (1, 1, _HEAD_WIDTH, _HEAD_WIDTH)

    layers: dict[str, tuple[str, tuple[int, ...]]] = {}
    for number, (ours, shape) in enumerate(kernels.items()):
        layers[_numbered("conv2d", number, "kernel")] = f"params/{ours}/kernel", shape
        for leaf, path in _NORM.items():
            norm = _numbered("batch_normalization", number, leaf)
            layers[norm] = path.format(ours), shape[-1:]
    last = len(kernels)
    shape = (1, 1, _HEAD_WIDTH, _CLASSES)
    layers[_numbered("conv2d", last, "kernel")] = "params/classify/kernel", shape
    layers[_numbered("conv2d", last, "bias")] = "params/classify/bias", shape[-1:]
    return layers


def _numbered(layer: str, number: int, leaf: str) -> str:
    return f"{layer}_{number}/{leaf}" if number else f"{layer}/{leaf}"
