"""The features of a set, taken once and kept for sets that do not change."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float

from gancmri_jax.cache import cache_folder
from gancmri_jax.errors import InputError
from gancmri_jax.metrics.backbones import Backbone, extract
from gancmri_jax.metrics.names import Metric
from gancmri_jax.metrics.sources import Generated, Source, clips
from gancmri_jax.model.segmenter import Segmenter

Features = Float[np.ndarray, "n d"]
Progress = Callable[[str, int], Callable[[int], object]]


@dataclasses.dataclass(frozen=True)
class Protocol:
    """What metrics depend on besides the two sets.

    Attributes:
        seed: Of everything that is drawn.
        ddof: Of covariances: 1 as pytorch-fid, 0 as NVIDIA's.
        bootstrap: Resamples behind the interval of a Fréchet distance; 0 for none.
        segmenter: For `fcn_fd`: the network, and whose it is.
        keep_features: Keep the real set's features in the cache.
    """

    seed: int = 0
    ddof: int = 1
    bootstrap: int = 20
    segmenter: tuple[Segmenter, str] | None = None
    keep_features: bool = True


def clip_features(
    source: Source,
    metric: Metric,
    count: int,
    backbone: Backbone,
    protocol: Protocol,
    on_start: Progress,
) -> Features:
    """Return the features of a clip from each of the first `count` videos."""
    items = clips(source.videos(count), metric.clip_frames, metric.clip_how, protocol.seed)
    how = f"{count} clips of {metric.clip_frames} {metric.clip_how} {protocol.seed}"
    keep = protocol.keep_features and not isinstance(source, Generated)
    return features_of(backbone, source, how, count, items, keep, on_start)


def features_of(
    backbone: Backbone,
    source: Source,
    how: str,
    count: int,
    items: Iterator[np.ndarray],
    keep: bool,
    on_start: Progress,
) -> Features:
    """Return features, from the cache where the same content was looked at in the same way.

    Raises:
        InputError: Some are not finite.
    """
    told = f"{source.digest} {backbone.name} {backbone.digest} {backbone.preprocessing} {how}"
    path = cache_folder() / "features" / f"{hashlib.sha256(told.encode()).hexdigest()}.npy"
    if keep and path.exists():
        try:
            return np.load(path)
        except (OSError, ValueError, EOFError):
            path.unlink()  # cut short; taken again
    features = extract(backbone, items, on_start(f"{backbone.name} of {source.name}", count))
    if not np.isfinite(features).all():
        raise InputError(f"{source.name}: {backbone.name} gives features that are not finite")
    if keep:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.stem}.{os.getpid()}.npy")
        np.save(part, features)
        os.replace(part, path)
    return features
