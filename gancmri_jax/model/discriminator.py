"""The discriminator that a model file may keep beside its generator, to train on from."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from gancmri_jax.networks.discriminator import Discriminator

PREFIX = "discriminator/"  # of its tensors in a model file
_SIZES = ("resolution", "channel_base", "channel_max", "mbstd_group")


@dataclasses.dataclass(frozen=True)
class Judge:
    """A discriminator with its parameters, for `network.apply({"params": params}, images)`."""

    network: Discriminator
    params: Any

    @property
    def sizes(self) -> dict[str, int]:
        """Return all but the numbers, JSON-like."""
        channels = self.params["fromrgb"]["kernel"].shape[2]
        return {name: getattr(self.network, name) for name in _SIZES} | {"img_channels": channels}


def to_tensors(judge: Judge) -> dict[str, Any]:
    """Return the parameters by the names that they have in a model file."""
    flat = flax.traverse_util.flatten_dict(judge.params, sep="/")
    return {f"{PREFIX}{name}": array for name, array in flat.items()}


def from_tensors(sizes: Mapping[str, int], tensors: Mapping[str, np.ndarray]) -> Judge:
    """Undo `sizes` and `to_tensors`.

    Raises:
        KeyError, TypeError, ValueError: The tensors are not those of a discriminator of its sizes.
    """
    told: dict[str, Any] = {name: int(sizes[name]) for name in _SIZES}
    network = Discriminator(**told)
    size = network.resolution
    image = jnp.zeros((1, size, size, int(sizes["img_channels"])))
    expected = jax.eval_shape(network.init, jax.random.key(0), image)["params"]
    shapes = {
        f"{PREFIX}{name}": leaf.shape
        for name, leaf in flax.traverse_util.flatten_dict(expected, sep="/").items()
    }
    if shapes != {name: array.shape for name, array in tensors.items()}:
        raise ValueError("the discriminator's tensors are not those of its sizes")
    if not all(np.isfinite(array).all() for array in tensors.values()):
        raise ValueError("the discriminator holds values that are not finite")
    params = {name.removeprefix(PREFIX): jnp.asarray(array) for name, array in tensors.items()}
    return Judge(network, flax.traverse_util.unflatten_dict(params, sep="/"))
