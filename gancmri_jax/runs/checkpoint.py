"""Checkpoints of a run: the training state and the data iterator's, by Orbax.

They are written in the background, each under another name until it is whole.
"""

import contextlib
import errno
import functools
import logging
import os
import pathlib
import sys
import threading
from collections.abc import Iterator
from typing import Any, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
from orbax.checkpoint import v1 as ocp
from tqdm import tqdm

from gancmri_jax.atomic import sync, sync_tree
from gancmri_jax.checksums import check_checksums, write_checksums
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
    """The checkpoints in a folder, the newest `_KEEP` of which are kept; a context manager.

    One that is whole has the SHA-256 of its files beside them, and is on the disk for good. A save
    that fails is reported by the next call, as an `InputError`.
    """

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory
        self._sealing: threading.Thread | None = None
        self._failure: Exception | None = None
        _silence()
        with self._reporting():
            self._checkpointer = ocp.training.Checkpointer(
                directory.resolve(),
                preservation_policy=ocp.training.preservation_policies.LatestN(_KEEP),
                cleanup_tmp_directories=True,
            )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._finish()
            with self._reporting():
                self._checkpointer.close()
        except InputError:
            if kind is None:  # else the first error is the one to report
                raise
        finally:
            with contextlib.suppress(Exception):  # closed twice, or failed before
                self._checkpointer.close()

    def save(self, state: Stepped, data: dict[str, Any]) -> None:
        """Save the state and the data iterator's state, under the state's step, in the background.

        The one before is finished first.

        Raises:
            InputError: It, or the one before, cannot be written.
        """
        step = int(state.step)
        self._finish()
        state = jax.tree.map(jnp.copy, state)  # the next step takes the buffers of this one over
        with self._reporting():
            response = self._checkpointer.save_checkpointables_async(
                step, {"state": state, "data": data}, force=True, overwrite=True
            )
        self._sealing = threading.Thread(target=self._seal, args=(response, step))
        self._sealing.start()

    @property
    def latest(self) -> int | None:
        """The step of the newest checkpoint that is whole."""
        self._finish()
        newest = self._checkpointer.latest
        return None if newest is None else newest.step

    def load_latest(self, like: State) -> tuple[State, dict[str, Any]] | None:
        """Load the newest checkpoint into the structure of `like`; None where there is none.

        One that is damaged is passed over for the one before, with a warning; one without
        checksums is loaded, and named.

        Raises:
            InputError: There are checkpoints, and all are damaged.
        """
        abstract = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like
        )
        steps = sorted((found.step for found in self._checkpointer.checkpoints), reverse=True)
        for step in steps:
            place = self._directory / str(step)
            try:
                checked = check_checksums(place)
                loaded = self._checkpointer.load_checkpointables(
                    step, {"state": abstract, "data": None}
                )
            # Whatever Orbax or the file system stumbles over is the checkpoint's fault.
            except Exception as error:
                reason = str(error) if isinstance(error, InputError) else type(error).__name__
                _say(f"warning: {place}: cannot be read ({reason}); trying the one before")
                continue
            if not checked:
                _say(
                    f"note: {place}: has no checksums, so damage would go unnoticed; an older "
                    "version wrote it, or it was saved just as the run was ended"
                )
            return loaded["state"], loaded["data"]
        if steps:
            raise InputError(
                f"{self._directory}: none of its checkpoints can be read; restore them from a "
                "backup, or begin anew in another folder"
            )
        return None

    def _seal(self, response: Any, step: int) -> None:
        """Wait until a checkpoint is whole and on the disk, and write its checksums."""
        try:
            response.result()
            if jax.process_index() == 0:
                place = self._directory / str(step)
                sync_tree(place)
                write_checksums(place, (path for path in place.rglob("*") if path.is_file()))
                sync(place.parent)
        except Exception as error:  # `_finish` raises it where it can be caught
            self._failure = error

    def _finish(self) -> None:
        """Wait for the save in hand.

        Raises:
            InputError: It failed.
        """
        if self._sealing is not None:
            self._sealing.join()
            self._sealing = None
        with self._reporting():
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure
            self._checkpointer.wait()

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        """Turn whatever Orbax or the file system cannot do into one line."""
        try:
            yield
        except Exception as error:
            raise InputError(
                f"{self._directory}: a checkpoint cannot be written ({_reason(error)}); mend that, "
                "and run the same command again: it goes on from the checkpoint before"
            ) from error


def _reason(error: BaseException | None) -> str:
    """Return what the system said first, in the chain of errors that followed from it."""
    said = "unknown"
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS):
            if os.strerror(code) in str(error):
                return os.strerror(code)
        said = " ".join(str(error).split())[:200] or type(error).__name__
        error = error.__cause__ or error.__context__
    return said


@functools.cache  # once a process
def _silence() -> None:
    """Keep Orbax and TensorStore from printing tracebacks of what is raised here in one line."""
    logging.getLogger("absl").addFilter(lambda record: "orbax" not in record.pathname)
    before = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        # TensorStore's writes that a failed save no longer waits for.
        if str(unraisable.exc_value) != "Event loop is closed":
            before(unraisable)

    sys.unraisablehook = hook


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)
