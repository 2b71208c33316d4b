"""The encoder that a model carries: a network image → w, trained on that model's own images."""

import dataclasses
import functools
import hashlib
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gancmri_jax.networks.encoder import ResidualEncoder
from gancmri_jax.networks.generator import Generator

PREFIX = "encoder/"  # of its tensors in a model file
_SIZES = ("channel_base", "channel_max", "hidden")  # the others are its generator's


@dataclasses.dataclass(frozen=True)
class Encoder:
    """A network that guesses the w of an image.

    Attributes:
        network: The network; it holds the sizes, not the parameters.
        params: Its parameters; a model file keeps them in float16.
        card: How it was made and how good it is: JSON-like.
    """

    network: ResidualEncoder
    params: Any
    card: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, "n w_dim"]:
        """Guess the w of images in [−1, 1]."""
        return _encode(self.network, self.params, images)

    @property
    def fingerprint(self) -> str:
        """Identify the network by its numbers, so that codes found from it are not mixed up."""
        digest = hashlib.sha256()
        for name, array in sorted(to_tensors(self).items()):
            digest.update(name.encode())
            digest.update(array.tobytes())
        return digest.hexdigest()[:16]

    @property
    def sizes(self) -> dict[str, int]:
        """Return what its generator does not say, JSON-like."""
        return {name: getattr(self.network, name) for name in _SIZES}


def network_for(generator: Generator, sizes: dict[str, Any]) -> ResidualEncoder:
    """Return the network of these sizes that encodes a generator's images.

    Raises:
        KeyError, TypeError, ValueError: The sizes are no encoder's.
    """
    own: dict[str, Any] = {name: int(sizes[name]) for name in _SIZES}
    if min(own.values()) < 1 or own["channel_base"] < generator.resolution:
        raise ValueError(f"an encoder of {generator.resolution}² cannot have the sizes {own}")
    return ResidualEncoder(generator.resolution, generator.w_dim, **own)


def to_tensors(encoder: Encoder) -> dict[str, np.ndarray]:
    """Return the parameters by the names that they have in a file, in its float16."""
    flat = flax.traverse_util.flatten_dict(encoder.params, sep="/")
    return {f"{PREFIX}{name}": np.asarray(array, np.float16) for name, array in flat.items()}


def expected_shapes(generator: Generator, sizes: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape that each tensor of an encoder of these sizes has.

    Raises:
        KeyError, TypeError, ValueError: The sizes are no encoder's.
    """
    network = network_for(generator, sizes)
    side = generator.resolution
    image = jnp.zeros((1, side, side, generator.img_channels))
    params = jax.eval_shape(network.init, jax.random.key(0), image)["params"]
    flat = flax.traverse_util.flatten_dict(params, sep="/")
    return {f"{PREFIX}{name}": leaf.shape for name, leaf in flat.items()}


def from_tensors(
    generator: Generator,
    sizes: dict[str, Any],
    tensors: dict[str, np.ndarray],
    card: dict[str, Any],
) -> Encoder:
    """Undo `sizes` and `to_tensors`; tensors of other names are passed over.

    Numbers are rounded as a file rounds them, so that an encoder is the same before and after.
    """
    flat = {
        name.removeprefix(PREFIX): jnp.asarray(np.asarray(array, np.float16), jnp.float32)
        for name, array in tensors.items()
        if name.startswith(PREFIX)
    }
    params = flax.traverse_util.unflatten_dict(flat, sep="/")
    return Encoder(network_for(generator, sizes), params, card)


def as_filed(generator: Generator, sizes: dict[str, Any], params: Any, card: Any) -> Encoder:
    """Build the encoder of these parameters as a model file would give it back."""
    encoder = Encoder(network_for(generator, sizes), params, card)
    return from_tensors(generator, sizes, to_tensors(encoder), card)


@functools.partial(jax.jit, static_argnums=0)
def _encode(network, params, images):
    return network.apply({"params": params}, images)
