"""Whole beats, from which motions are learned: a chunk at a time, so that any number fits."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


class Chunk(NamedTuple):
    """Some of the beats.

    Attributes:
        ws: Codes of whole beats, each from its ED frame on and closed: the frame after the last is
            the first. One row stands for all where all rows of each code are equal.
        es_frames: The ES frame of each, counted from ED.
    """

    ws: Float[np.ndarray, "v t rows w_dim"]
    es_frames: Int[np.ndarray, "v"]


@dataclasses.dataclass(frozen=True)
class Beats:
    """What motions are learned from.

    Attributes:
        read: Reads the codes of all beats, chunk by chunk, anew each time; see `Chunk`.
        num_frames: Of each beat.
        es_frames: The ES frame of each, counted from ED.
        ed_to_es: k_ED→ES, the mean over all hearts that have both frames, whole beats or not.
    """

    read: Callable[[], Iterator[Float[np.ndarray, "v t rows w_dim"]]]
    num_frames: int
    es_frames: Int[np.ndarray, "v"]
    ed_to_es: Float[Array, "num_ws w_dim"]

    @classmethod
    def of(
        cls,
        ws: Float[Array | np.ndarray, "v t rows w_dim"],
        es_frames: Int[np.ndarray, "v"],
        ed_to_es: Float[Array, "num_ws w_dim"],
    ) -> "Beats":
        """Return beats in memory, as one chunk."""
        return cls(lambda: iter([np.asarray(ws)]), ws.shape[1], es_frames, ed_to_es)

    def __len__(self) -> int:
        return len(self.es_frames)

    @property
    def ws(self) -> Float[Array, "v t num_ws w_dim"]:
        """All codes at once, for which there must be memory."""
        return jnp.asarray(self.together())

    def together(self) -> Float[np.ndarray, "v t num_ws w_dim"]:
        """Read all codes at once; where one row stands for all, they share its memory."""
        ws = np.concatenate(list(self.read()))
        return np.broadcast_to(ws, (*ws.shape[:2], *self.ed_to_es.shape))

    def chunks(self) -> Iterator[Chunk]:
        """Read all beats."""
        first = 0
        for ws in self.read():
            yield Chunk(ws, self.es_frames[first : first + len(ws)])
            first += len(ws)

    def mean(
        self, of: Callable[[Chunk], Float[np.ndarray, "v *t rows w_dim"]]
    ) -> Float[Array, "*t num_ws w_dim"]:
        """Return the mean over beats of what a function of some of them returns, in one pass.

        Args:
            of: Returns an array for each beat. It treats each row of a code alone.
        """
        found = mean_over(of(chunk) for chunk in self.chunks())
        return jnp.asarray(_all_rows(found, len(self.ed_to_es)), jnp.float32)

    def select(self, chosen: Int[np.ndarray, "some"]) -> "Beats":
        """Return some of the beats, named in ascending order."""
        if len(chosen) == len(self):
            return self

        def read() -> Iterator[Float[np.ndarray, "v t rows w_dim"]]:
            first = 0
            for ws in self.read():
                inside = chosen[(first <= chosen) & (chosen < first + len(ws))] - first
                first += len(ws)
                if len(inside):
                    yield ws[inside]

        return dataclasses.replace(self, read=read, es_frames=self.es_frames[chosen])

    def with_es(self) -> "Beats":
        """Return those beats whose ES is another frame than ED."""
        return self.select(
            np.flatnonzero((self.es_frames > 0) & (self.es_frames < self.num_frames))
        )

    def spread(self, most: int) -> "Beats":
        """Return at most so many beats, evenly among all."""
        return self.select(np.arange(0, len(self), max(-(-len(self) // most), 1)))


def mean_over(parts: Iterator[Float[np.ndarray, "v *shape"]]) -> Float[np.ndarray, "*shape"]:
    """Return the mean over the first axis of all parts together, summed in double precision."""
    total: Any = 0.0
    count = 0
    for part in parts:
        total = total + np.sum(part, axis=0, dtype=np.float64)
        count += len(part)
    return np.asarray(total / count)


def _all_rows(
    array: Float[np.ndarray, "*t rows w_dim"], num_ws: int
) -> Float[np.ndarray, "*t num_ws w_dim"]:
    return np.broadcast_to(array, (*array.shape[:-2], num_ws, array.shape[-1]))


def align_systole(
    ws: Float[Array | np.ndarray, "v t rows w_dim"],
    es_frames: Int[np.ndarray, "v"],
    common: int | None = None,
) -> Float[np.ndarray, "v t rows w_dim"]:
    """Read each beat so that its ES falls on one frame, evenly before it and after it.

    Args:
        ws: Closed beats from ED on.
        es_frames: Their ES frames.
        common: Where ES is to fall; by default on the mean ES frame.
    """
    ws, t = np.asarray(ws), ws.shape[1]
    if common is None:
        common = common_es(es_frames)
    at = np.stack([np.interp(np.arange(t), [0, common, t], [0, es, t]) for es in es_frames])
    return read_between(ws, at)


def common_es(es_frames: Int[np.ndarray, "v"]) -> int:
    """Return the mean ES frame."""
    return round(float(np.mean(es_frames)))


def read_between(
    ws: Float[np.ndarray, "v t rows w_dim"],
    at: Float[np.ndarray, "v frames"],
    num_frames: Int[np.ndarray, "v"] | None = None,
) -> Float[np.ndarray, "v frames rows w_dim"]:
    """Read closed beats between their frames, linearly.

    Args:
        ws: Beats.
        at: Where, in frames.
        num_frames: Frames of each beat, where they are fewer than the array has.
    """
    lengths = np.full(len(ws), ws.shape[1]) if num_frames is None else num_frames
    before = np.floor(at).astype(int)
    part = (at - before).astype(ws.dtype)[:, :, None, None]
    videos, lengths = np.arange(len(ws))[:, None], lengths[:, None]
    found = ws[videos, before % lengths]
    if not part.any():
        return found
    return (1 - part) * found + part * ws[videos, (before + 1) % lengths]
