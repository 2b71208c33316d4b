"""Search files for what identifies the people whose hearts they were made from.

A value of six characters and more is looked for everywhere: in bytes, in names, and in what is
packed or compressed. A shorter one would be found by chance, and is looked for where a subject's
name stands.
"""

import dataclasses
import pathlib
import re
from collections.abc import Callable, Iterable

from gancmri_jax.cine.subjects import list_subjects
from gancmri_jax.errors import InputError
from gancmri_jax.privacy.contents import Layer, layers
from gancmri_jax.privacy.identifiers import Identifier, find_identifiers

FEWEST_CHARACTERS = 6
RUN = re.compile(rb"[0-9]{3,}|[a-z]{3,}")


@dataclasses.dataclass(frozen=True)
class Finding:
    """An identifier in a file, or a part of it that could not be searched.

    The value itself is not told: what is printed may be sent on.

    Attributes:
        path: The file.
        place: Where in it.
        what: The kind of identifier, or why there was no search.
    """

    path: pathlib.Path
    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}{self.place and f' [{self.place}]'}: {self.what}"


@dataclasses.dataclass(frozen=True)
class Audit:
    """What a search came to: findings, pieces not searched, and how much was searched for where."""

    findings: list[Finding]
    not_searched: list[Finding]
    num_identifiers: int
    num_short: int
    num_files: int


def audit(
    folder: pathlib.Path,
    source: pathlib.Path,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> Audit:
    """Search a folder, or a file, for the identifiers of a study.

    Args:
        folder: What is to be handed on.
        source: The study it was made from.
        on_step: Is told how many subjects and files of how many are done.

    Raises:
        InputError: There is no such folder or study, or one lies in the other.
    """
    if not folder.exists():
        raise InputError(f"{folder}: no such file or folder to audit")
    if folder.resolve().is_relative_to(source.resolve()):
        raise InputError(f"{folder}: lies inside the input, which holds its own identifiers")
    files = sorted(p for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else [folder]
    subjects = list_subjects(source)
    identifiers: dict[str, str] = {}  # value -> the first of its kinds
    total = len(subjects) + len(files)
    for i, subject in enumerate(subjects):
        for value, kind in find_identifiers(subject):
            identifiers.setdefault(value, kind)
        on_step(i + 1, total)
    search = _Search(identifiers.items())
    findings: dict[Finding, None] = {}
    not_searched = []
    for i, path in enumerate(files):
        inside = path.relative_to(folder).parent.parts if folder.is_dir() else ()
        above = [Layer("folder", name.encode(), (name,)) for name in inside]
        for layer in (*above, *layers(path)):
            if layer.trouble:
                not_searched.append(Finding(path, layer.place, layer.trouble))
            for kind in sorted(search.kinds(layer)):
                findings[Finding(path, layer.place, kind)] = None
        on_step(len(subjects) + i + 1, total)
    return Audit(list(findings), not_searched, len(identifiers), len(search.short), len(files))


class _Search:
    """Identifiers, arranged so that a file is read once however many there are."""

    def __init__(self, identifiers: Iterable[Identifier]) -> None:
        self.short: dict[str, str] = {}
        self._by_run: dict[bytes, list[tuple[bytes, str]]] = {}
        self._without_run: list[tuple[bytes, str]] = []
        for value, kind in sorted(identifiers):
            needle = value.lower().encode()
            if len(value) < FEWEST_CHARACTERS:
                self.short[value.lower()] = kind
            elif runs := RUN.findall(needle):
                self._by_run.setdefault(max(runs, key=len), []).append((needle, kind))
            else:
                self._without_run.append((needle, kind))

    def kinds(self, layer: Layer) -> set[str]:
        """Return the kinds of identifiers in a layer."""
        found = {self.short[n.lower()] for n in layer.names if n.lower() in self.short}
        hay = (layer.content + b"\0" + "\0".join(layer.names).encode()).lower()
        needles = list(self._without_run)
        for run in set(RUN.findall(hay)) & self._by_run.keys():
            needles += self._by_run[run]
        return found | {kind for needle, kind in needles if _stands_in(needle, hay)}


def _stands_in(needle: bytes, hay: bytes) -> bool:
    """Tell whether a value stands in some bytes on its own, not as a part of a longer number."""
    start = hay.find(needle)
    while start >= 0:
        stop = start + len(needle)
        before, after = hay[start - 1 : start], hay[stop : stop + 1]
        longer = (before.isdigit() and needle[:1].isdigit()) or (
            after.isdigit() and needle[-1:].isdigit()
        )
        if not longer:
            return True
        start = hay.find(needle, start + 1)
    return False
