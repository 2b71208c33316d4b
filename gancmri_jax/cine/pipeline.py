"""Batches of single frames for training, endless, shuffled and resumable.

Each epoch shows every frame once. Where the videos fit into memory the whole epoch is shuffled;
where they do not, the videos are, and then the frames of as many videos as fit, so that a video is
read once an epoch whatever the size of the data.
"""

import collections
import functools
import pathlib
import threading

import grain
import numpy as np
from jaxtyping import Int, UInt8

from gancmri_jax.cine.records import Records
from gancmri_jax.errors import InputError

FOREVER = 2**48  # frames; no training run sees as many
CACHE_BYTES = 2**30


def frame_batches(
    directory: pathlib.Path,
    split: str,
    batch_size: int,
    seed: int,
    cache_bytes: int = CACHE_BYTES,
    process: tuple[int, int] = (0, 1),
) -> grain.DatasetIterator:
    """Iterate for ever over batches of frames, uint8 [n h w 1].

    Frames are the recorded ones, never blended in time. The order depends on the records, the seed
    and `cache_bytes` alone; `get_state` and `set_state` continue it exactly.

    Args:
        directory: Records.
        split: Which of them.
        batch_size: Images of a batch, of all processes together.
        seed: Of the order.
        cache_bytes: How much of the videos to keep in memory.
        process: Index and number of processes; each reads its own part of every batch.

    Raises:
        InputError: The folder holds no records or frames of several sizes.
    """
    index, count = process
    frames = ShuffledFrames(Records(directory, split), seed, cache_bytes)
    local = batch_size // count
    own = _PartOfBatches(frames, batch_size, index * local, local)
    dataset = grain.MapDataset.source(own).batch(local, drop_remainder=True)
    options = grain.ReadOptions(num_threads=2, prefetch_buffer_size=16)
    return iter(dataset.to_iter_dataset(options))


class _PartOfBatches:
    """The images `first` to `first + num` of each batch of a sequence."""

    def __init__(self, frames: "ShuffledFrames", batch_size: int, first: int, num: int) -> None:
        self._frames, self._batch_size = frames, batch_size
        self._first, self._num = first, num

    def __len__(self) -> int:
        return FOREVER // self._batch_size * self._num

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "h w 1"]:
        batch, place = divmod(index, self._num)
        return self._frames[batch * self._batch_size + self._first + place]


class ShuffledFrames:
    """All frames of some videos, epoch after epoch, as one long sequence with random access."""

    def __init__(self, records: Records, seed: int, cache_bytes: int) -> None:
        self._records = records
        self._seed = seed
        self._cache_bytes = cache_bytes
        self._num_frames = np.asarray(records.num_frames)
        self._starts = np.concatenate([[0], np.cumsum(self._num_frames)])
        self._shape = records[0].pixels.shape[1:]
        self._cache: collections.OrderedDict[int, np.ndarray] = collections.OrderedDict()
        self._cached_bytes = 0
        self._lock = threading.Lock()
        # Batches at the turn of an epoch need two orders.
        self._order = functools.lru_cache(maxsize=2)(self._make_order)

    def __len__(self) -> int:
        return FOREVER

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "h w 1"]:
        epoch, position = divmod(index, int(self._starts[-1]))
        frame = self._order(epoch)[position]
        video = int(np.searchsorted(self._starts, frame, side="right")) - 1
        return self._video(video)[frame - self._starts[video], :, :, None]

    def _make_order(self, epoch: int) -> Int[np.ndarray, " frames"]:
        rng = np.random.default_rng([self._seed, epoch])
        frame_bytes = int(np.prod(self._shape))
        # Two blocks are in memory where one gives way to the next.
        fits = frame_bytes * int(self._starts[-1]) <= self._cache_bytes
        block_frames = self._starts[-1] if fits else self._cache_bytes // 2 // frame_bytes
        order: list[np.ndarray] = []
        block: list[np.ndarray] = []
        for video in rng.permutation(len(self._num_frames)):
            if block and sum(map(len, block)) + self._num_frames[video] > block_frames:
                order.append(rng.permutation(np.concatenate(block)))
                block = []
            block.append(np.arange(self._starts[video], self._starts[video + 1]))
        order.append(rng.permutation(np.concatenate(block)))
        return np.concatenate(order)

    def _video(self, video: int) -> UInt8[np.ndarray, "t h w"]:
        with self._lock:
            if video in self._cache:
                self._cache.move_to_end(video)
                return self._cache[video]
            cine = self._records[video]
            if cine.pixels.shape[1:] != self._shape:
                raise InputError(
                    f"{cine.subject}: frames are {cine.pixels.shape[1:]}, others {self._shape}; "
                    "prepare all with one --size"
                )
            self._cache[video] = cine.pixels
            self._cached_bytes += cine.pixels.nbytes
            while self._cached_bytes > self._cache_bytes and len(self._cache) > 1:
                self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
            return cine.pixels
