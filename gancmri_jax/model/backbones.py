"""Pretrained networks with their weights, fetched on first use."""

from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
from flax import linen as nn

from gancmri_jax.errors import InputError
from gancmri_jax.networks import i3d, inception
from gancmri_jax.networks.i3d import I3D
from gancmri_jax.networks.inception import Inception
from gancmri_jax.networks.lpips import LPIPS
from gancmri_jax.weights.fetch import load_weights

Params = dict[str, Any]


def load_inception() -> tuple[Inception, Params]:
    """Return the Inception of FID, for `apply({"params": params}, images)`.

    Raises:
        InputError: Its weights cannot be had; so too below.
    """
    size = inception.RESOLUTION
    return Inception(), _load("inception-2015-12-05", Inception(), (1, size, size, 3))


def load_i3d() -> tuple[I3D, Params]:
    """Return the I3D of FVD, for `apply({"params": params}, clips)`."""
    clip = (1, i3d.LEAST_FRAMES, i3d.RESOLUTION, i3d.RESOLUTION, 3)
    return I3D(), _load("i3d-kinetics400", I3D(), clip)


def load_lpips() -> tuple[LPIPS, Params]:
    """Return LPIPS on VGG16, for `apply({"params": params}, images, method="features")`."""
    pair = (1, 16, 16, 3)
    return LPIPS(), _load("vgg16-lpips", LPIPS(), pair, pair)


def _load(name: str, network: nn.Module, *shapes: tuple[int, ...]) -> Params:
    tensors = load_weights(name).tensors
    inputs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    expected = jax.eval_shape(network.init, jax.random.key(0), *inputs)["params"]
    shapes_by_path = {
        path: leaf.shape
        for path, leaf in flax.traverse_util.flatten_dict(expected, sep="/").items()
    }
    if shapes_by_path != {path: array.shape for path, array in tensors.items()}:
        raise InputError(f"{name}: its tensors are not those of the network; fetch it again")
    arrays = {path: jnp.asarray(array) for path, array in tensors.items()}
    return flax.traverse_util.unflatten_dict(arrays, sep="/")
