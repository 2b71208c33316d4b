"""Checkpoints of a run: the training state and the data iterator's, by Orbax."""

import pathlib
from typing import Any, Protocol, TypeVar

import jax
from orbax.checkpoint import v1 as ocp

_KEEP = 2


class Stepped(Protocol):
    """A training state: a tree that knows how many steps it has come."""

    @property
    def step(self) -> jax.Array:
        """Steps taken."""


State = TypeVar("State", bound=Stepped)


class Checkpoints:
    """The checkpoints in a folder, the newest `_KEEP` of which are kept; a context manager."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._checkpointer = ocp.training.Checkpointer(
            directory.resolve(),
            preservation_policy=ocp.training.preservation_policies.LatestN(_KEEP),
            cleanup_tmp_directories=True,
        )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self._checkpointer.close()

    def save(self, state: Stepped, data: dict[str, Any]) -> None:
        """Save the state and the data iterator's state, under the state's step, whole or not."""
        step = int(state.step)
        self._checkpointer.save_checkpointables(
            step, {"state": state, "data": data}, force=True, overwrite=True
        )

    def load_latest(self, like: State) -> tuple[State, dict[str, Any]] | None:
        """Load the newest checkpoint into the structure of `like`; None where there is none."""
        if self._checkpointer.latest is None:
            return None
        abstract = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like
        )
        loaded = self._checkpointer.load_checkpointables(None, {"state": abstract, "data": None})
        return loaded["state"], loaded["data"]
