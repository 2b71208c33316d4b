"""How fast networks look at frames; random weights take as long as trained ones."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from gancmri_jax.benchmarks.count import multiply_adds
from gancmri_jax.benchmarks.measure import Result, gbytes_of, time_rounds
from gancmri_jax.networks import i3d, inception
from gancmri_jax.networks.cardiac_fcn import MULTIPLE, CardiacFCN
from gancmri_jax.networks.i3d import I3D
from gancmri_jax.networks.inception import Inception
from gancmri_jax.networks.lpips import LPIPS

_CLIP_FRAMES = 16


class Network(NamedTuple):
    """A network, the shape of what it looks at (0: the size that is asked for), and how."""

    module: nn.Module
    shape: tuple[int, ...]
    method: str | None = None
    pictures: int = 1  # that its parameters are made from


NETWORKS = {
    "inception": Network(Inception(), (inception.RESOLUTION, inception.RESOLUTION)),
    "lpips": Network(LPIPS(), (0, 0), "features", pictures=2),
    "i3d": Network(I3D(), (_CLIP_FRAMES, i3d.RESOLUTION, i3d.RESOLUTION)),
}


def benchmark_features(network: str, size: int, batch: int, rounds: int) -> Result:
    """Look at a batch of grey frames, clips of 16 for I3D.

    Args:
        network: One of NETWORKS.
        size: Of LPIPS' frames; the others see frames of their own size.
        batch: Frames, or clips.
        rounds: How often it is timed.
    """
    module, sides, method, pictures = NETWORKS[network]
    shape = (batch, *(side or size for side in sides), 1)
    items = jax.random.uniform(jax.random.key(0), shape, minval=-1)
    # Parameters are made for colour, as the published ones are.
    colour = [jnp.zeros((1, *shape[1:-1], 3))] * pictures
    params = jax.jit(module.init)(jax.random.key(1), *colour)

    def look(params, items):
        return module.apply(params, items, method=method)

    program = jax.jit(look)
    timing = time_rounds(lambda: jax.block_until_ready(program(params, items)), rounds)
    seconds = timing.seconds
    return Result(
        name=f"features of {network}",
        seconds=seconds,
        gflops=2 * multiply_adds(look, params, items) / 1e9 / seconds,
        timing=timing,
        rate=("images_per_second", batch * (shape[1] if len(shape) == 5 else 1) / seconds),
        settings=dict(network=network, shape=list(shape), dtype="float32"),
        gbytes=gbytes_of(program, params, items),
    )


def benchmark_segmentation(size: int, batch: int, rounds: int) -> Result:
    """Show frames to a network of the published segmenter's size; random weights do as well.

    A size that the network cannot halve four times is rounded up.
    """
    side = -(-size // MULTIPLE) * MULTIPLE
    network, shape = CardiacFCN(), (batch, side, side, 1)
    frames = jax.random.uniform(jax.random.key(0), shape)
    variables = jax.jit(network.init)(jax.random.key(1), jnp.zeros((1, MULTIPLE, MULTIPLE, 1)))

    @jax.jit
    def look(variables, frames):
        return jax.nn.softmax(jnp.asarray(network.apply(variables, frames)))

    timing = time_rounds(lambda: jax.block_until_ready(look(variables, frames)), rounds)
    return Result(
        name="segmentation",
        seconds=timing.seconds,
        gflops=2 * multiply_adds(look, variables, frames) / 1e9 / timing.seconds,
        timing=timing,
        rate=("images_per_second", batch / timing.seconds),
        settings=dict(network="cardiac_fcn", shape=list(shape), dtype="float32"),
        gbytes=gbytes_of(look, variables, frames),
    )
