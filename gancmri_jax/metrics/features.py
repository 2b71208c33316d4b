"""The features of a set, taken once and kept for sets that do not change."""

import contextlib
import hashlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cache import cache_folder
from gancmri_jax.errors import InputError
from gancmri_jax.metrics.backbones import Backbone, extract
from gancmri_jax.metrics.names import MetricName
from gancmri_jax.metrics.protocol import OnStart, Protocol
from gancmri_jax.metrics.sets import GeneratedSet, ImageSet, clips

# The two sets that a metric compares may differ in size.
Features = Float[np.ndarray, "_ d"]


def clip_features(
    images: ImageSet,
    asked: MetricName,
    count: int,
    backbone: Backbone,
    protocol: Protocol,
    on_start: OnStart,
) -> Features:
    """Return the features of a clip from each of the first `count` videos."""
    items = clips(images.videos(count), asked.clip_frames, asked.clip_how, protocol.seed)
    how = f"{count} clips of {asked.clip_frames} {asked.clip_how} {protocol.seed}"
    keep = protocol.keep_features and not isinstance(images, GeneratedSet)
    return features_of(backbone, images, how, count, items, keep, on_start)


def features_of(
    backbone: Backbone,
    images: ImageSet,
    how: str,
    count: int,
    items: Iterator[np.ndarray],
    keep: bool,
    on_start: OnStart,
) -> Features:
    """Return features, from the cache where the same content was looked at in the same way.

    Raises:
        InputError: Some are not finite.
    """
    key = f"{images.digest} {backbone.name} {backbone.digest} {backbone.preprocessing} {how}"
    # A zip, since that holds a checksum of what is in it.
    path = cache_folder() / "features" / f"{hashlib.sha256(key.encode()).hexdigest()}.npz"
    if keep and path.exists():
        with contextlib.suppress(Exception):  # whatever damage does; they are computed again
            with path.open("rb") as opened, np.load(opened) as file:
                return file["features"]
    features = extract(backbone, items, on_start(f"{backbone.name} of {images.name}", count))
    if not np.isfinite(features).all():
        raise InputError(f"{images.name}: {backbone.name} gives features that are not finite")
    if keep:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as part:
            np.savez(part, features=features)
    return features
