"""A run in stages, kept in its folder: each stage leaves a file, and what has left one is done."""

import json
import pathlib
import time
from collections.abc import Callable
from typing import Any

from gancmri_jax.atomic import atomic_write
from gancmri_jax.errors import InputError

Result = dict[str, Any]
Tell = Callable[[str], object]


class Journal:
    """The stages of one run.

    Attributes:
        results: By stage, what it left: JSON-like, with its `seconds`.
        missing: By stage that could not be done, why.
    """

    def __init__(self, folder: pathlib.Path, settings: Result, tell: Tell = lambda line: None):
        """Begin a run, or go on with it.

        Args:
            folder: The run's.
            settings: Everything that its results depend on, JSON-like.
            tell: Is told a line for each stage.

        Raises:
            InputError: The folder cannot be written, or holds a run with other settings.
        """
        self._stages, self._tell = folder / "stages", tell
        self.results: dict[str, Result] = {}
        self.missing: dict[str, str] = {}
        pinned = folder / "settings.json"
        now = json.loads(json.dumps(settings))
        try:
            self._stages.mkdir(parents=True, exist_ok=True)
            before = json.loads(pinned.read_text()) if pinned.exists() else now
            if not pinned.exists():
                with atomic_write(pinned) as part:
                    part.write_text(json.dumps(now, indent=2) + "\n")
        except (OSError, ValueError) as error:
            raise InputError(f"{folder}: cannot be used ({error}); choose another --out") from error
        names = sorted(before.keys() | now.keys())
        if changed := [name for name in names if before.get(name) != now.get(name)]:
            raise InputError(
                f"{folder}: holds a run with another {' and '.join(changed)}; choose another --out"
            )

    def stage(
        self,
        name: str,
        work: Callable[[], Result],
        say: Callable[[Result], str],
        count: int | None = None,
    ) -> Result:
        """Do a stage, unless it is done, and return what it left.

        Args:
            name: Of the stage, and of its file.
            work: Does it; its files, if it writes any, are there when it returns.
            say: Puts the result into one line.
            count: Of samples, where a later run may take another number: each has a file.

        Raises:
            InputError: As `work` does.
        """
        path = self._stages / f"{name}{'' if count is None else count}.json"
        if path.exists():
            result = json.loads(path.read_text())
            self._tell(f"{name}: {say(result)} (done before)")
        else:
            start = time.perf_counter()
            result = json.loads(json.dumps(work()))
            result["seconds"] = round(time.perf_counter() - start, 1)
            with atomic_write(path) as part:
                part.write_text(json.dumps(result, indent=2) + "\n")
            self._tell(f"{name}: {say(result)} ({result['seconds']:.0f} s)")
        self.results[name] = result
        return result

    def attempt(
        self,
        name: str,
        work: Callable[[], Result],
        say: Callable[[Result], str],
        count: int | None = None,
    ) -> bool:
        """Do a stage that the others do without; where it is refused, note why, and go on."""
        try:
            self.stage(name, work, say, count)
        except InputError as error:
            self.missing[name] = str(error)
            self._tell(f"{name}: left out: {error}")
        return name in self.results
