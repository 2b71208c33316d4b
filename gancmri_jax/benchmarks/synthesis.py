"""How fast videos are rendered: beats of 50 frames from their codes."""

import jax

from gancmri_jax.benchmarks.ideal import synthesis_gflop
from gancmri_jax.benchmarks.measure import Result, time_rounds
from gancmri_jax.benchmarks.random_model import random_model

FRAMES = 50


def benchmark_synthesis(
    size: int, channel_base: int, channel_max: int, batch: int | None, dtype: str, rounds: int
) -> Result:
    """Render a beat, `batch` frames at once (by default as many as `Model.render` takes)."""
    model = random_model(size, channel_base, channel_max, dtype)
    path = jax.random.normal(jax.random.key(1), (FRAMES, model.num_ws, model.w_dim))
    seconds, ceiling = time_rounds(lambda: model.render(path, batch), rounds)
    return Result(
        name="synthesis",
        seconds=seconds,
        gflops=FRAMES * synthesis_gflop(model.generator) / seconds,
        matmul_gflops=ceiling,
        rate=("videos_per_second", 1 / seconds),
        settings=dict(
            size=size,
            channel_base=channel_base,
            channel_max=channel_max,
            batch=batch,
            dtype=dtype,
            frames=FRAMES,
        ),
    )
