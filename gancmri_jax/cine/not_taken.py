"""What an input holds besides the cines that are read from it: counted by kind, one line a kind."""

import dataclasses
import pathlib
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class NotTaken:
    """Files that could be read, or need not be, and are no cine to use.

    Attributes:
        path: One of them.
        kind: What they are and why they are left, as a noun in the plural. It never names the
            subject or the file, so that it can be written where identifiers may not.
        count: How many files.
    """

    path: pathlib.Path
    kind: str
    count: int = 1


@dataclasses.dataclass(frozen=True)
class Remark:
    """What a reader should know of a cine that is read, or of a study's tables.

    Attributes:
        path: The subject's place, or the table's.
        text: One line, which never names the subject.
    """

    path: pathlib.Path
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


def count_by_kind(items: Iterable[NotTaken]) -> dict[str, NotTaken]:
    """Return one item a kind, with the number of all files of it, the largest number first."""
    kinds: dict[str, NotTaken] = {}
    for item in items:
        before = kinds.get(item.kind)
        count = item.count + (before.count if before else 0)
        kinds[item.kind] = dataclasses.replace(before or item, count=count)
    return dict(sorted(kinds.items(), key=lambda pair: (-pair[1].count, pair[0])))


def not_taken_lines(items: Iterable[NotTaken]) -> list[str]:
    """Return one line a kind, which names the first file."""
    lines = []
    for kind, item in count_by_kind(items).items():
        more = f" and {item.count - 1} more" if item.count > 1 else ""
        lines.append(f"{item.path}{more}: {kind}; not taken")
    return lines
