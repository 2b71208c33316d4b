"""How fast frames are projected: steps of the optimisation, times frames in the batch."""

import jax
import jax.numpy as jnp

from gancmri_jax.benchmarks.count import multiply_adds
from gancmri_jax.benchmarks.ideal import synthesis_gflop
from gancmri_jax.benchmarks.measure import Result, gbytes_of, time_rounds
from gancmri_jax.benchmarks.random_model import random_model
from gancmri_jax.networks.generator import draw_noise
from gancmri_jax.networks.lpips import LPIPS
from gancmri_jax.projection.distance import (
    LPIPS_LEAST_SIDE,
    Features,
    LpipsFeatures,
    multiscale_pixel,
)
from gancmri_jax.projection.project import single_frames
from gancmri_jax.projection.projector import (
    Problem,
    begin,
    in_half_precision,
    place,
    see,
    take_steps,
)
from gancmri_jax.projection.settings import Dtype, Settings

_STEPS = 4


def benchmark_projection(
    size: int, channel_base: int, channel_max: int, batch: int, dtype: str, rounds: int
) -> Result:
    """Take four steps of a batch down LPIPS, with random weights, or pixels where it is too small.

    A step's ideal is a forward pass and a gradient by inputs of the synthesis network, and the same
    of VGG16: 260 GFLOP a frame for config-f at 256².
    """
    model = random_model(size, channel_base, channel_max, "float32")
    features: Features = jax.tree_util.Partial(multiscale_pixel)
    features_gflop = 0.0
    if size >= LPIPS_LEAST_SIDE:
        network, colour = LPIPS(), jnp.zeros((1, size, size, 3))
        weights = jax.jit(network.init)(jax.random.key(3), colour, colour)["params"]
        features = LpipsFeatures(network, weights)
        image = jax.ShapeDtypeStruct((1, size, size, 1), jnp.float32)
        features_gflop = 2 * multiply_adds(features, image) / 1e9

    keys = jax.random.split(jax.random.key(2), batch)
    targets = model.synthesize(model.map(jax.random.normal(jax.random.key(1), (1, model.z_dim))))
    clips, variables = single_frames(
        jnp.repeat(targets, batch, axis=0),
        keys,
        jnp.repeat(model.w_avg[None, None], batch, axis=0),
        draw_noise(keys[0], size, batch),
    )
    settings = Settings(num_steps=1000, dtype=_dtype(dtype))
    problem = Problem(model.generator, settings, model.params, features, jnp.ones(()))
    if settings.dtype == "bfloat16":
        problem = in_half_precision(problem)
    problem, clips, variables = place(problem, clips, variables)
    seen = see(problem, clips)
    state, stopped = begin(variables), jnp.zeros(batch, bool)

    def work() -> None:
        nonlocal state
        state = take_steps(problem, clips, seen, state, stopped, 50, _STEPS)
        jax.block_until_ready(state)

    timing = time_rounds(work, rounds)
    seconds = timing.seconds
    gbytes = gbytes_of(take_steps, problem, clips, seen, state, stopped, 50, num_steps=1)
    frame_steps = batch * _STEPS
    ideal = 2 * (synthesis_gflop(model.generator) + features_gflop)
    return Result(
        name="projection",
        seconds=seconds,
        gflops=frame_steps * ideal / seconds,
        timing=timing,
        rate=("frame_steps_per_second", frame_steps / seconds),
        settings=dict(
            size=size,
            channel_base=channel_base,
            channel_max=channel_max,
            batch=batch,
            dtype=dtype,
            distance="lpips" if features_gflop else "multiscale_pixel",
            steps=_STEPS,
            gflop_a_frame_step=round(ideal, 3),
        ),
        gbytes=None if gbytes is None else gbytes * _STEPS,
    )


def _dtype(name: str) -> Dtype:
    return "bfloat16" if name == "bfloat16" else "float32"
