"""Distances between images that a projection lowers, each a feature map by name.

The distance of two images is the squared Euclidean distance of their features, so a target's are
computed once. A feature map is a pytree, for what it has learned is an input of compiled programs.
"""

from collections.abc import Callable
from typing import Any, Literal, get_args

import flax.struct
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gancmri_jax.errors import InputError
from gancmri_jax.model.backbones import load_lpips
from gancmri_jax.model.model import Model
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.networks.cardiac_fcn import CardiacFCN
from gancmri_jax.networks.lpips import LPIPS
from gancmri_jax.weights.cache import cached_path
from gancmri_jax.weights.fetch import load_weights

Features = Callable[[Float[Array, "n h w c"]], Float[Array, "n d"]]
Distance = Literal["auto", "multiscale_pixel", "cardiac_features", "lpips"]
DISTANCES: tuple[Distance, ...] = get_args(Distance)

_COARSEST = 8


def multiscale_pixel(images: Float[Array, "n h w c"]) -> Float[Array, "n d"]:
    """Return pixels of a 2× average-pooled pyramid down to 8², each level of unit total weight.

    Their squared distance is the sum over levels of the mean squared difference of pixels.
    """
    n, _, _, c = images.shape
    levels = []
    while True:
        size = images.shape[1]
        levels.append(images.reshape(n, -1) / (size * size * c) ** 0.5)
        if size <= _COARSEST:
            return jnp.concatenate(levels, axis=1)
        images = images.reshape(n, size // 2, 2, size // 2, 2, c).mean(axis=(2, 4))


class CardiacFeatures(flax.struct.PyTreeNode):
    """Activations of a segmenter's levels, compared as LPIPS compares VGG's (Zhang et al. 2018).

    Each pixel's activations are of unit length over the channels, and each level's squared
    differences are averaged over its pixels; levels count alike.

    Attributes:
        network: The segmenter's.
        variables: Its parameters and batch statistics.
        size: Side of the grid on which it sees the images.
        x_first: It was trained on frames transposed against display.
    """

    network: CardiacFCN = flax.struct.field(pytree_node=False)
    variables: Any
    size: int = flax.struct.field(pytree_node=False)
    x_first: bool = flax.struct.field(pytree_node=False)

    def __call__(self, images: Float[Array, "n h w 1"]) -> Float[Array, "n d"]:
        """Return the features of images in [−1, 1]."""
        n = len(images)
        shown = jax.image.resize((images + 1) / 2, (n, self.size, self.size, 1), "linear")
        if self.x_first:
            shown = shown.swapaxes(1, 2)
        activations: Any = self.network.apply(self.variables, shown, method="levels")
        levels = []
        for level in activations:
            energy = jnp.sum(jnp.square(level), axis=-1, keepdims=True)
            # A pixel that no channel answers to has no direction; ε keeps it small.
            unit = level * lax.rsqrt(energy + 1e-2)
            levels.append(unit.reshape(n, -1) / (level.shape[1] * level.shape[2]) ** 0.5)
        return jnp.concatenate(levels, axis=1)


class LpipsFeatures(flax.struct.PyTreeNode):
    """LPIPS v0.1 on VGG16, the paper's distance; images beyond 256² are averaged down to it.

    Attributes:
        network: The network.
        params: Its published weights.
    """

    network: LPIPS = flax.struct.field(pytree_node=False)
    params: Any

    def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, "n d"]:
        """Return the features of images in [−1, 1], grey or in colour."""
        n, side, _, c = images.shape
        if (factor := side // _LPIPS_SIDE) > 1:
            shape = (n, side // factor, factor, side // factor, factor, c)
            images = images.reshape(shape).mean(axis=(2, 4))
        variables = {"params": self.params}
        maps: Any = self.network.apply(variables, images, method="features")
        return jnp.concatenate([m.reshape(n, -1) for m in maps], axis=1)


class _InBfloat16(flax.struct.PyTreeNode):
    """A feature map that computes in half precision."""

    features: Any

    def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, "n d"]:
        return self.features(images.astype(jnp.bfloat16))


def in_bfloat16(features: Features) -> Features:
    """Return a feature map that computes in half precision, in whatever it is shown images."""

    def narrow(leaf):
        return leaf.astype(jnp.bfloat16) if leaf.dtype == jnp.float32 else leaf

    return _InBfloat16(jax.tree.map(narrow, features))


LPIPS_LEAST_SIDE = 16  # VGG16 halves it four times
_LPIPS_SIDE = 256
_SEGMENTER_SIDE = 144  # pixels: a chest of 260 mm on the demo segmenter's grid


def chosen(name: Distance, model: Model) -> Distance:
    """Return the distance that `auto` stands for, or the name itself.

    It is LPIPS where its weights lie in the cache and images are not too small for it, else that of
    the model's segmenter, else pixels.
    """
    if name != "auto":
        return name
    if model.resolution >= LPIPS_LEAST_SIDE and cached_path("vgg16-lpips").exists():
        return "lpips"
    return "multiscale_pixel" if model.segmenter is None else "cardiac_features"


def image_features(name: Distance, model: Model) -> Features:
    """Return a distance's feature map.

    Raises:
        InputError: The model has no segmenter, which `cardiac_features` needs, or the weights of
            `lpips` cannot be had, or images are too small for it.
    """
    name = chosen(name, model)
    if name == "multiscale_pixel":
        return jax.tree_util.Partial(multiscale_pixel)
    if name == "lpips":
        if model.resolution < LPIPS_LEAST_SIDE:
            raise InputError(
                f"--distance lpips: sees images from {LPIPS_LEAST_SIDE}² on, the model makes "
                f"{model.resolution}²; use multiscale_pixel"
            )
        return LpipsFeatures(*load_lpips())
    segmenter = _segmenter(model)
    return CardiacFeatures(
        segmenter.network, segmenter.variables, _SEGMENTER_SIDE, segmenter.x_first
    )


def distance_provenance(name: Distance, model: Model) -> dict[str, str]:
    """Return what a distance depends on besides its name, for the codes that it led to.

    Raises:
        InputError: As `image_features` does.
    """
    name = chosen(name, model)
    if name == "multiscale_pixel":
        return {}
    if name == "lpips":
        return {"lpips": load_weights("vgg16-lpips").metadata["tensors_sha256"]}
    return {"segmenter": _segmenter(model).fingerprint}


def _segmenter(model: Model) -> Segmenter:
    if model.segmenter is None:
        raise InputError(
            "--distance cardiac_features: the model has no segmenter; put one in by `gancmri "
            "train-segmenter --into`, or use multiscale_pixel"
        )
    return model.segmenter
