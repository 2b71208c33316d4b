"""How subjects are named where people read of them: by keyed hashes, in paths too."""

import dataclasses
import functools
import pathlib
import re
from collections.abc import Iterable

from gancmri_jax.cine.layouts.found import Subject
from gancmri_jax.cine.not_taken import NotTaken, Remark
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.subject import hash_subject, subject_key

FEWEST_CHARACTERS = 3  # of a name that is looked for inside other names
EID = re.compile(r"\d+(?=_\d{4,6}_\d+_\d+(\.zip)?$)", re.IGNORECASE)  # of UK Biobank's files


class Naming:
    """Names of the subjects under an input, as messages may show them.

    In a path below the input, the name of a subject's folder, zip or file is replaced by its hash,
    and so is the name elsewhere in the path; the rest stays. Paths outside the input, such as
    outputs, stay as they are.
    """

    def __init__(
        self, root: pathlib.Path, subjects: Iterable[Subject] = (), keep_ids: bool = False
    ) -> None:
        """Prepare names.

        Args:
            root: The input, as the user gave it.
            subjects: All that lie under it.
            keep_ids: Leave names and paths as they are.
        """
        self._root = root
        self._keep_ids = keep_ids
        subjects = list(subjects)
        self._by_place = {subject.path: subject.name for subject in subjects}
        self._names = {subject.name for subject in subjects}

    @functools.cached_property
    def _key(self) -> bytes:
        return subject_key()

    def name(self, subject: str) -> str:
        """Return a subject's name as it is shown."""
        return subject if self._keep_ids else hash_subject(subject, self._key)

    def path(self, path: pathlib.Path) -> pathlib.Path:
        """Return a path as it is shown."""
        if self._keep_ids or not path.is_relative_to(self._root):
            return path
        place = next((p for p in (path, *path.parents) if p in self._by_place), None)
        own = None if place is None else self._by_place[place]
        at = shown = self._root
        if root := self._part(at, place, own):
            shown = at.with_name(root)
        for part in path.relative_to(self._root).parts:
            at /= part
            shown /= self._part(at, place, own)
        return shown

    def refusal(self, refusal: Refusal) -> Refusal:
        """Return a refusal whose path is as it is shown."""
        return dataclasses.replace(refusal, path=self.path(refusal.path))

    def extra(self, extra: NotTaken | Remark) -> NotTaken | Remark:
        """Return a remark, or what was not taken, whose path is as it is shown."""
        return dataclasses.replace(extra, path=self.path(extra.path))

    def _part(self, at: pathlib.Path, place: pathlib.Path | None, own: str | None) -> str:
        """Return a path's last part as it is shown; empty where it has no name of its own."""
        part = at.name
        if part in ("", ".."):
            return ""
        if own is not None and (at == place or len(own) >= FEWEST_CHARACTERS):
            shown = _standing_alone(own).sub(self.name(own), part)
            if shown != part:
                return shown
            if at == place:  # a link, say, whose name is not the subject's
                return self.name(own)
        if known := self._known_start(part):
            return self.name(known) + part[len(known) :]
        return EID.sub(lambda eid: self.name(eid[0]), part)

    def _known_start(self, part: str) -> str | None:
        """Return the longest subject's name that is a part of a path or begins it."""
        if part in self._names:
            return part
        ends = [m.start() for m in re.finditer(r"(?<=[^\W_])(?=[\W_])", part)]
        starts = (part[:end] for end in reversed(ends) if end >= FEWEST_CHARACTERS)
        return next((start for start in starts if start in self._names), None)


def _standing_alone(name: str) -> re.Pattern[str]:
    """Match a name that is no part of a longer word or number."""
    return re.compile(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", re.IGNORECASE)
