"""From frames or clips to the features that distances are taken over, each backbone by its name.

Frames are uint8, quantised first as the metrics' protocols ask, and each backbone's own resizing
belongs to it. Weights that cannot be had are an error; nothing else is computed under the name.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, UInt8

from gancmri_jax.errors import InputError
from gancmri_jax.metrics.protocol import Protocol
from gancmri_jax.model.backbones import load_i3d, load_inception
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.networks import i3d, inception
from gancmri_jax.networks.cardiac_fcn import CardiacFCN
from gancmri_jax.ops.precision import in_full_precision
from gancmri_jax.ops.resize import resize_bilinear_tf1
from gancmri_jax.weights.fetch import load_weights

_FCN_SIDE = 256


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A network as a metric uses it.

    Attributes:
        name: Network, and which of its layers.
        digest: SHA-256 of its weights.
        preprocessing: What happens to the bytes first.
        batch: Items that are looked at together.
        features: bytes [n …] → features [n d], jitted.
    """

    name: str
    digest: str
    preprocessing: str
    batch: int
    features: Callable[[UInt8[np.ndarray, "n ..."]], Float[Array, "n d"]]


def inception_pool3() -> Backbone:
    """Return the backbone of FID: 2,048 features of frames [n h w]."""
    network, params = load_inception()

    @jax.jit
    @in_full_precision
    def features(params: Any, frames: UInt8[Array, "n h w"]) -> Float[Array, "n 2048"]:
        shown = frames[..., None].astype(jnp.float32)
        shown = resize_bilinear_tf1(shown, inception.RESOLUTION, inception.RESOLUTION)
        return jnp.asarray(network.apply({"params": params}, shown / 127.5 - 1))

    return Backbone(
        name="inception-2015-12-05 pool3",
        digest=_digest("inception-2015-12-05"),
        preprocessing="TF1 bilinear to 299 (no antialias, no half-pixel centres), grey as RGB",
        batch=16,
        features=functools.partial(features, params),
    )


def i3d_logits() -> Backbone:
    """Return the backbone of FVD: 400 logits of clips [n t h w]."""
    network, params = load_i3d()

    @jax.jit
    @in_full_precision
    def features(params: Any, clips: UInt8[Array, "n t h w"]) -> Float[Array, "n 400"]:
        shape = (*clips.shape[:2], i3d.RESOLUTION, i3d.RESOLUTION)
        shown = jax.image.resize(clips.astype(jnp.float32), shape, "linear", antialias=False)
        return jnp.asarray(network.apply({"params": params}, shown[..., None] / 127.5 - 1))

    return Backbone(
        name="i3d-kinetics400 logits",
        digest=_digest("i3d-kinetics400"),
        preprocessing="bilinear to 224 (half-pixel centres, no antialias), grey as RGB",
        batch=2,
        features=functools.partial(features, params),
    )


def fcn_conv4(segmenter: Segmenter, name: str) -> Backbone:
    """Return cFID's backbone: 256 spatial features of frames [n h w] (GANcMRI, section 3.2)."""
    network = segmenter.network

    @jax.jit
    @in_full_precision
    def features(variables: Any, frames: UInt8[Array, "n h w"]) -> Float[Array, "n 256"]:
        shown = frames.astype(jnp.float32) / 255
        shown = jax.image.resize(
            shown, (len(shown), _FCN_SIDE, _FCN_SIDE), "linear", antialias=False
        )
        if segmenter.x_first:
            shown = shown.swapaxes(1, 2)
        conv4 = network.apply(variables, shown[..., None], method="levels")[-1]
        return spatial_means(jnp.asarray(conv4))

    return Backbone(
        name=f"{name} conv4",
        digest=segmenter.fingerprint,
        preprocessing="bilinear to 256, bytes over 255, conv4 [16 16 c] → 256 places, mean over c",
        batch=16,
        features=functools.partial(features, segmenter.variables),
    )


def published_fcn() -> Segmenter:
    """Return ukbb_cardiac's 4-chamber network with its published weights, the only one of cFID.

    Raises:
        InputError: They cannot be had.
    """
    tensors = load_weights("cardiac-fcn").tensors
    variables = {tuple(name.split("/")): jnp.asarray(array) for name, array in tensors.items()}
    return Segmenter(
        network=CardiacFCN(),
        variables=flax.traverse_util.unflatten_dict(variables),
        pixel_mm=float("nan"),  # frames are shown to it at 256², whatever their spacing
        x_first=True,
    )


def _segmenter(protocol: Protocol) -> Backbone:
    if protocol.segmenter is None:
        raise InputError("this metric needs a model with a segmenter; give --segmenter")
    segmenter, owner = protocol.segmenter
    return fcn_conv4(segmenter, f"segmenter of {owner}")


# Each by the name that the table of metrics gives it; loads the weights.
BACKBONES: dict[str, Callable[[Protocol], Backbone]] = {
    "inception": lambda _: inception_pool3(),
    "i3d": lambda _: i3d_logits(),
    "cardiac_fcn": lambda _: fcn_conv4(published_fcn(), "FCN_la_4ch_seg4"),
    "segmenter": _segmenter,
}


def spatial_means(conv4: Float[Array, "n h w c"]) -> Float[Array, "n h*w"]:
    """Return each place's mean over the channels, row by row: places are cFID's features."""
    return conv4.reshape(len(conv4), -1, conv4.shape[-1]).mean(axis=2)


def extract(
    backbone: Backbone,
    items: Iterable[UInt8[np.ndarray, "..."]],
    on_item: Callable[[int], object] = lambda _: None,
) -> Float[np.ndarray, "n d"]:
    """Return the features of items, looked at in batches over this process's devices.

    Args:
        backbone: What looks at them.
        items: Frames [h w] or clips [t h w].
        on_item: Told how many items are done since it was last told.
    """
    devices = jax.local_devices()  # of several processes, one may be measuring alone
    size = -(-backbone.batch // len(devices)) * len(devices)
    mesh = Mesh(np.asarray(devices), ("data",), axis_types=(AxisType.Auto,))
    spread = NamedSharding(mesh, PartitionSpec("data"))
    found = []
    for batch in _batches(items, size):
        # The last batch is filled up with copies, so that one program serves all.
        filled = np.concatenate([batch, batch[-1:].repeat(size - len(batch), axis=0)])
        features = backbone.features(jax.device_put(filled, spread))
        found.append(np.asarray(features, np.float32)[: len(batch)])
        on_item(len(batch))
    return np.concatenate(found)


def _batches(items: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    batch: list[np.ndarray] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)


def _digest(name: str) -> str:
    return load_weights(name).metadata["tensors_sha256"]
