"""What was found and could not be used."""

import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A file or folder that is skipped.

    Attributes:
        path: Which.
        reason: Why, and the way out where there is one, reading on from the path. It never names
            the subject or the file, so that it can be written where identifiers may not.
    """

    path: pathlib.Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}; skipped"
