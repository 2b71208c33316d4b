"""Cines that were loaded into the explorer: read, and projected in a thread of their own."""

import collections
import concurrent.futures
import dataclasses
import pathlib
import secrets
import tempfile
import threading
from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float

from gancmri_jax.apps.explorer.choice import projection
from gancmri_jax.apps.explorer.reading import MOST_CINES, Reader
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.pictures import VIDEO_SUFFIXES
from gancmri_jax.errors import InputError
from gancmri_jax.model.model import Model
from gancmri_jax.projection.study import codes_of, project_study

SUFFIXES = (".nii.gz", ".nii", ".zip", ".dcm.gz", ".dcm", ".ima", *VIDEO_SUFFIXES)


@dataclasses.dataclass
class Loaded:
    """A cine, and what is known of it so far.

    Attributes:
        cine: Its frames as the model sees them, uint8.
        state: How far it is.
        share: Of its projection, done.
        ws: Codes of its frames, once projected.
        error: Why it could not be.
    """

    cine: Cine
    state: Literal["waiting", "projecting", "projected", "failed"] = "waiting"
    share: float = 0.0
    ws: Float[np.ndarray, "t num_ws w_dim"] | None = None
    error: str = ""


class Uploads:
    """The cines that are loaded, by names that cannot be guessed."""

    def __init__(self, model: Model, give_way: Callable[[], None] = lambda: None) -> None:
        self._model = model
        self._give_way = give_way
        self._loaded: collections.OrderedDict[str, Loaded] = collections.OrderedDict()
        self._lock = threading.Lock()
        self._reading = threading.Lock()  # one file at a time
        self._reader = Reader()
        self._worker = concurrent.futures.ThreadPoolExecutor(1, "project")

    def __getitem__(self, name: str) -> Loaded:
        """Return a loaded cine.

        Raises:
            InputError: There is none of that name any more.
        """
        try:
            return self._loaded[name]
        except KeyError:
            raise InputError("that cine is not loaded any more; open its file again") from None

    def add(self, content: pathlib.Path, said: str) -> list[str]:
        """Read the cines of a file and begin to project them; return their names.

        Args:
            content: The file, of a suffix of `SUFFIXES`.
            said: How to name the file in errors.

        Raises:
            InputError: Nothing can be read; says why.
        """
        try:
            with self._reading:
                cines = self._reader.read(content, self._model.resolution)
        except InputError as error:
            raise InputError(f"{said}: {error}") from error
        names = [secrets.token_urlsafe(9) for _ in cines]
        with self._lock:
            for name, cine in zip(names, cines, strict=True):
                self._loaded[name] = Loaded(cine)
            while len(self._loaded) > MOST_CINES:
                self._loaded.popitem(last=False)
        for name in names:
            self._worker.submit(self._project, name)
        return names

    def close(self) -> None:
        """Forget all cines and stop what is being projected at its next pause."""
        self._reader.close()
        with self._lock:
            self._loaded.clear()
        self._worker.shutdown(cancel_futures=True)

    def _project(self, name: str) -> None:
        loaded = self._loaded.get(name)
        if loaded is None:
            return
        loaded.state = "projecting"
        try:
            loaded.ws = self._codes(name, loaded)
            loaded.state = "projected"
        # A thread's error would be seen by nobody.
        except Exception as error:
            loaded.state, loaded.error = "failed", str(error) or type(error).__name__

    def _codes(self, name: str, loaded: Loaded) -> Float[np.ndarray, "t num_ws w_dim"]:
        """Project as `gancmri superres` does, so that what is shown can be had by a command.

        Not to the bit: a search's noise has its key from the subject's name, and a loaded file
        has lost its own.
        """
        settings = projection(self._model)
        frame_steps = len(loaded.cine.pixels) * settings.num_steps

        def on_steps(done: float) -> None:
            if name not in self._loaded:
                raise InputError("was closed")
            loaded.share += done / frame_steps
            self._give_way()

        with tempfile.TemporaryDirectory(prefix="gancmri-explore-") as folder:
            store = pathlib.Path(folder) / "latents.zarr"
            codes = project_study(self._model, [loaded.cine], store, settings, on_steps=on_steps)
        return codes_of(codes, 0)


def checked_suffix(name: str) -> str:
    """Return the suffix of a file's name, all of it that is used.

    Raises:
        InputError: It is none that a cine's file has.
    """
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix):
            return suffix
    raise InputError(f"takes {', '.join(SUFFIXES)}; a folder of DICOMs goes in as a .zip")
