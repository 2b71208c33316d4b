"""Distances in the features of frozen networks, which the reconstruction loss may add to pixels'.

A mean absolute difference of pixels is lowest at the median of what may be there, and so blurs
edges; features of a network that looks for edges do not (Johnson et al. 2016, arXiv 1603.08155).
"""

import flax.struct
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float
from ml_collections import ConfigDict

from gancmri_jax.errors import InputError
from gancmri_jax.model.backbones import load_lpips
from gancmri_jax.model.file import load_segmenter_of, shipped_segmenters
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.projection.distance import (
    LPIPS_LEAST_SIDE,
    CardiacFeatures,
    Features,
    LpipsFeatures,
)
from gancmri_jax.training.config import option

Images = Float[Array, "n h w c"]

_LEAST_SIDE = 144  # pixels: a segmenter sees images of fewer enlarged to so many


class Look(flax.struct.PyTreeNode):
    """A distance in a frozen network's features, and its weight in the loss.

    It is an input of the step, so that its numbers are no part of the state: they are not trained,
    not donated and not saved.
    """

    features: Features
    name: str = flax.struct.field(pytree_node=False)
    weight: float = flax.struct.field(pytree_node=False)

    def distances(self, made: Images, reals: Images) -> Float[Array, "n"]:
        """Return each pair's squared distance; its gradient goes to what was made alone."""
        apart = self.features(made) - lax.stop_gradient(self.features(reals))
        return jnp.sum(jnp.square(apart), axis=1)


def looks_of(config: ConfigDict, sharding: jax.sharding.Sharding) -> tuple[Look, ...]:
    """Load the frozen networks that a configuration names, whole on every device.

    Raises:
        InputError: One cannot be had, or is a judge of models.
    """
    looks = []
    if weight := option(config, "perceptual_weight"):
        segmenter = load_frozen(config.perceptual_segmenter)
        features = segmenter_features(segmenter, config.resolution)
        looks.append(Look(features, "perceptual", weight))
    if weight := option(config, "lpips_weight"):
        if config.resolution < LPIPS_LEAST_SIDE:
            raise InputError(
                f"config.lpips_weight: LPIPS sees images from {LPIPS_LEAST_SIDE}² on, resolution "
                f"is {config.resolution}"
            )
        looks.append(Look(LpipsFeatures(*load_lpips()), "lpips", weight))
    return tuple(jax.device_put(looks, sharding))


def with_fingerprint(config: ConfigDict) -> ConfigDict:
    """Return the configuration with its segmenter's fingerprint, which a run's folder pins.

    Raises:
        InputError: The segmenter cannot be had, is a judge of models, or is not the one that the
            configuration names.
    """
    if not option(config, "perceptual_weight"):
        return config
    found = load_frozen(config.perceptual_segmenter).fingerprint
    if (named := option(config, "perceptual_fingerprint")) not in (None, found):
        raise InputError(
            f"{config.perceptual_segmenter}: is the segmenter {found}, and the configuration names "
            f"{named}; give that one as perceptual_segmenter"
        )
    return ConfigDict({**config, "perceptual_fingerprint": found})


def load_frozen(name: str, option: str = "config.perceptual_segmenter") -> Segmenter:
    """Load a segmenter whose features may be trained with: none that measures models.

    Args:
        name: A run of `gancmri train-segmenter`, or a model.
        option: What named it, for messages.

    Raises:
        InputError: There is none, or it ships with the package, where it measures what is made.
    """
    segmenter = load_segmenter_of(name)
    if segmenter.fingerprint in shipped_segmenters():
        raise InputError(
            f"{option} {name}: this segmenter ships with the package and "
            "measures models, so none may be trained with it; train another by `gancmri "
            "train-segmenter` with a seed of its own"
        )
    return segmenter


def segmenter_features(segmenter: Segmenter, resolution: int) -> CardiacFeatures:
    """Return a segmenter's features of images of this size."""
    side = max(resolution, _LEAST_SIDE)
    return CardiacFeatures(segmenter.network, segmenter.variables, side, segmenter.x_first)
