"""How fast frames are projected: steps of the optimisation, times frames in the batch."""

import jax

from gancmri_jax.benchmarks.ideal import synthesis_gflop
from gancmri_jax.benchmarks.measure import Result, time_rounds
from gancmri_jax.benchmarks.random_model import random_model
from gancmri_jax.projection.projector import Settings, project, w_statistics

_STEPS = 10


def benchmark_projection(
    size: int, channel_base: int, channel_max: int, batch: int, dtype: str, rounds: int
) -> Result:
    """Project a batch for ten steps, and measure its distances at the end, as `project` does.

    A step's ideal is a forward pass and a gradient by inputs of the synthesis network; the pixel
    distance costs next to nothing.
    """
    model = random_model(size, channel_base, channel_max, dtype)
    targets = model.synthesize(model.map(jax.random.normal(jax.random.key(1), (1, model.z_dim))))
    targets = jax.numpy.repeat(targets, batch, axis=0)
    keys = jax.random.split(jax.random.key(2), batch)
    statistics = w_statistics(model, 1000)
    settings = Settings(num_steps=_STEPS)
    work = lambda: project(model, targets, keys, settings, statistics)  # noqa: E731
    seconds, ceiling = time_rounds(work, rounds)
    frame_steps = batch * _STEPS
    return Result(
        name="projection",
        seconds=seconds,
        gflops=2 * frame_steps * synthesis_gflop(model.generator) / seconds,
        matmul_gflops=ceiling,
        rate=("frame_steps_per_second", frame_steps / seconds),
        settings=dict(
            size=size,
            channel_base=channel_base,
            channel_max=channel_max,
            batch=batch,
            dtype=dtype,
            distance=settings.distance,
            steps=_STEPS,
        ),
    )
