"""How fast videos are rendered: beats of 50 frames from their codes."""

import jax

from gancmri_jax.benchmarks.ideal import synthesis_gflop
from gancmri_jax.benchmarks.measure import Result, gbytes_of, time_rounds
from gancmri_jax.benchmarks.random_model import random_model
from gancmri_jax.model.model import RenderDtype, render_codes

FRAMES = 50


def benchmark_synthesis(
    size: int,
    channel_base: int,
    channel_max: int,
    batch: int | None,
    dtype: RenderDtype,
    rounds: int,
) -> Result:
    """Render a beat, `batch` frames at once (by default as many as `Model.render` takes)."""
    model = random_model(size, channel_base, channel_max, dtype)
    path = jax.random.normal(jax.random.key(1), (FRAMES, model.num_ws, model.w_dim))
    timing = time_rounds(lambda: model.render(path, batch), rounds)
    at_once = min(batch or FRAMES, FRAMES)
    ws = jax.ShapeDtypeStruct((at_once, *path.shape[1:]), path.dtype)
    gbytes = gbytes_of(render_codes, model.renderer, model.params, ws, model.noise)
    return Result(
        name="synthesis",
        seconds=timing.seconds,
        gflops=FRAMES * synthesis_gflop(model.generator) / timing.seconds,
        timing=timing,
        rate=("videos_per_second", 1 / timing.seconds),
        settings=dict(
            size=size,
            channel_base=channel_base,
            channel_max=channel_max,
            batch=batch,
            dtype=dtype,
            frames=FRAMES,
        ),
        gbytes=None if gbytes is None else gbytes * -(-FRAMES // at_once),
    )
