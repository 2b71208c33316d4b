"""How fast frames reach training: batches read from records that do not fit into the cache."""

import dataclasses
import pathlib
import tempfile
from collections.abc import Iterator

import numpy as np

from gancmri_jax.benchmarks.measure import Result, time_rounds
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.phantom.render import phantom
from gancmri_jax.cine.pipeline import CACHE_BYTES, frame_batches
from gancmri_jax.cine.preprocess import preprocess
from gancmri_jax.cine.records import write_records

_VIDEOS, _FRAMES = 40, 50


def benchmark_pipeline(size: int, batch: int, data: pathlib.Path | None, rounds: int) -> Result:
    """Read 2,000 frames from cold, of `data` or of phantom hearts written for it.

    What is written for it is twice as large as the cache it is read through, as a large study is,
    so that several frames are drawn whenever a video is read.
    """
    with tempfile.TemporaryDirectory() as folder:
        cache_bytes = CACHE_BYTES
        if data is None:
            data = pathlib.Path(folder) / "records"
            write_records(data, {"train": shifted_hearts(size, _VIDEOS)})
            cache_bytes = _VIDEOS * _FRAMES * size**2 // 2
        num_batches = max(_VIDEOS * _FRAMES // batch, 1)

        def work() -> None:
            batches = frame_batches(data, "train", batch, seed=0, cache_bytes=cache_bytes)
            for _ in range(num_batches):
                next(batches)

        timing = time_rounds(work, rounds)
    images = num_batches * batch
    return Result(
        name="pipeline",
        seconds=timing.seconds,
        gflops=None,
        timing=timing,
        rate=("images_per_second", images / timing.seconds),
        settings=dict(size=size, batch=batch, images=images, cache_bytes=cache_bytes),
    )


def shifted_hearts(size: int, videos: int) -> Iterator[Cine]:
    """Yield one phantom's cine, shifted a little further each time: as hard to unpack as many."""
    cine = preprocess(phantom(0, 0, size, _FRAMES).cine, size, "stretch", (1.0, 99.0))
    for shift in range(videos):
        yield dataclasses.replace(cine, pixels=np.roll(cine.pixels, shift, axis=2))
