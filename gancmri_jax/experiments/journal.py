"""A run in stages, kept in its folder: each stage leaves a file, and what has left one is done."""

import hashlib
import json
import pathlib
import time
from collections.abc import Callable
from typing import Any

from gancmri_jax.atomic import atomic_write
from gancmri_jax.errors import InputError

Result = dict[str, Any]
Tell = Callable[[str], object]

_SHA256 = "sha256"  # beside a stage's own keys


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
            before = _read(pinned) if pinned.exists() else now
            if not pinned.exists():
                _write(pinned, now)
        except OSError as error:
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
            result = _read(path)
            self._tell(f"{name}: {say(result)} (done before)")
        else:
            start = time.perf_counter()
            result = json.loads(json.dumps(work()))
            result["seconds"] = round(time.perf_counter() - start, 1)
            _write(path, result)
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


def read_results(folder: pathlib.Path) -> dict[str, Result]:
    """Return what each stage of a run left, by stage.

    Raises:
        InputError: One is damaged.
    """
    return {path.stem: _read(path) for path in sorted((folder / "stages").glob("*.json"))}


def _write(path: pathlib.Path, values: Result) -> None:
    """Write a JSON object with its SHA-256, on the disk for good."""
    with atomic_write(path, durable=True) as part:
        part.write_text(json.dumps({**values, _SHA256: _sha256(values)}, indent=2) + "\n")


def _read(path: pathlib.Path) -> Result:
    """Read what `_write` wrote, or an earlier version without a SHA-256.

    Raises:
        InputError: It is damaged.
    """
    try:
        values = json.loads(path.read_text())
        known = values.pop(_SHA256, None)
        if known not in (None, _sha256(values)):
            raise ValueError("another SHA-256 than when it was written")
        return values
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: is damaged ({error}); restore it, or remove it to do that part again"
        ) from error


def _sha256(values: Result) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
