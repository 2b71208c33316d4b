"""How many frames to project at once: what a CPU's caches like, or what a device's memory holds."""

import jax
import jax.numpy as jnp

from gancmri_jax.model.model import Model
from gancmri_jax.networks.generator import draw_noise
from gancmri_jax.projection.project import problem_of, single_frames
from gancmri_jax.projection.projector import gradient, in_half_precision
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.start import WStatistics

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
    two, four = (step_bytes(model, settings, n) for n in (2, 4))
    a_frame = max((four - two) / 2, 1)
    most = 2 + (memory_bytes - two) / a_frame
    batch = 1
    while 2 * batch <= min(most, _MOST):
        batch *= 2
    return batch


def step_bytes(model: Model, settings: Settings, num_frames: int) -> int:
    """Return the memory that a step on so many single frames takes besides its inputs."""
    side, rows = model.resolution, model.num_ws
    keys = jax.random.split(jax.random.key(0), num_frames)
    problem = problem_of(model, settings, WStatistics(model.w_avg, jnp.ones(())))
    if settings.dtype == "bfloat16":
        problem = in_half_precision(problem)

    def gradients(problem, targets, identity, noise):
        clips, variables = single_frames(targets, keys, identity, noise)
        seen = problem.features(targets)[:, None, None]
        of_clip = jax.vmap(gradient, in_axes=(None, 0, 0, 0, 0))
        return of_clip(problem, clips, seen, variables, jnp.zeros_like(identity))

    shape = (num_frames, side, side, model.generator.img_channels)
    targets = jax.ShapeDtypeStruct(shape, jnp.float32)
    identity = jax.ShapeDtypeStruct((num_frames, rows, model.w_dim), jnp.float32)
    noise = jax.eval_shape(lambda: draw_noise(keys[0], side, num_frames))
    compiled = jax.jit(gradients).lower(problem, targets, identity, noise).compile()
    analysis = compiled.memory_analysis()
    assert analysis is not None
    return analysis.temp_size_in_bytes
