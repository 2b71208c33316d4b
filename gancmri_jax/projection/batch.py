"""How many frames to project at once: what a CPU's caches like, or what a device's memory holds."""

import jax

from gancmri_jax.model.model import Model
from gancmri_jax.projection.distance import image_features
from gancmri_jax.projection.search import step_bytes
from gancmri_jax.projection.settings import Settings

_SHARE_OF_MEMORY = 0.8  # the rest is for parameters, targets and what else is on the device
_MOST = 256
_UNKNOWN = 32  # where a device does not say its memory


def suitable_batch(model: Model, settings: Settings) -> int:
    """Return a number of frames, a multiple of this process's devices."""
    devices = jax.local_devices()
    if devices[0].platform == "cpu":
        # At 64² eight, at 256² two.
        each = min(max(2 * 256 // model.resolution, 1), 8)
    else:
        statistics = devices[0].memory_stats() or {}
        each = _UNKNOWN
        if "bytes_limit" in statistics:
            each = batch_in(_SHARE_OF_MEMORY * statistics["bytes_limit"], model, settings)
    return each * len(devices)


def batch_in(memory_bytes: float, model: Model, settings: Settings) -> int:
    """Return the largest power of two of frames whose steps need no more memory than given.

    A step is compiled for two frames and for four, and what more frames need is taken to grow as
    between these.
    """
    features = image_features(settings.distance, model)
    two, four = (step_bytes(model.generator, model.params, features, settings, n) for n in (2, 4))
    a_frame = max((four - two) / 2, 1)
    most = 2 + (memory_bytes - two) / a_frame
    batch = 1
    while 2 * batch <= min(most, _MOST):
        batch *= 2
    return batch
