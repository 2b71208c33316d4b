"""Checkpoints of a run: the training state and the data iterator's, by Orbax.

They are written in the background, each under another name until it is whole.
"""

import pathlib
import sys
from typing import Any, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
from orbax.checkpoint import v1 as ocp
from tqdm import tqdm

from gancmri_jax.errors import InputError

_KEEP = 2


@runtime_checkable
class Stepped(Protocol):
    """A training state: a tree that knows how many steps it has come."""

    @property
    def step(self) -> jax.Array:
        """Steps taken."""


State = TypeVar("State", bound=Stepped)


class Checkpoints:
    """The checkpoints in a folder, the newest `_KEEP` of which are kept; a context manager."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory
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
        """Save the state and the data iterator's state, under the state's step, in the background.

        The one before is finished first.
        """
        step = int(state.step)
        self._checkpointer.wait()
        state = jax.tree.map(jnp.copy, state)  # the next step takes the buffers of this one over
        self._checkpointer.save_checkpointables_async(
            step, {"state": state, "data": data}, force=True, overwrite=True
        )

    @property
    def latest(self) -> int | None:
        """The step of the newest checkpoint that is whole."""
        self._checkpointer.wait()
        newest = self._checkpointer.latest
        return None if newest is None else newest.step

    def load_latest(self, like: State) -> tuple[State, dict[str, Any]] | None:
        """Load the newest checkpoint into the structure of `like`; None where there is none.

        One that cannot be read is passed over for the one before, with a warning.

        Raises:
            InputError: There are checkpoints, and none can be read.
        """
        abstract = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like
        )
        steps = sorted((found.step for found in self._checkpointer.checkpoints), reverse=True)
        for step in steps:
            try:
                loaded = self._checkpointer.load_checkpointables(
                    step, {"state": abstract, "data": None}
                )
                return loaded["state"], loaded["data"]
            # Whatever Orbax or the file system stumbles over is the checkpoint's fault.
            except Exception as error:
                tqdm.write(
                    f"warning: {self._directory / str(step)}: cannot be read "
                    f"({type(error).__name__}); going on from the one before",
                    file=sys.stderr,
                )
        if steps:
            raise InputError(
                f"{self._directory}: none of its checkpoints can be read; choose another folder"
            )
        return None
