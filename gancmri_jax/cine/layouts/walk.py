"""What lies under a folder at any depth, without a look into what is recognised."""

import os
import pathlib
from collections.abc import Callable


def walk(
    path: pathlib.Path, is_unit: Callable[[str], object] = lambda name: False
) -> list[pathlib.Path]:
    """Return all files and folders under a folder, sorted; hidden ones are passed over.

    Args:
        path: A folder; a file holds nothing.
        is_unit: Tells by the name which folders are listed and not looked into.
    """
    found: list[pathlib.Path] = []
    for parent, folders, files in os.walk(path):
        place = pathlib.Path(parent)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        found += [place / name for name in (*folders, *files) if not name.startswith(".")]
        folders[:] = [name for name in folders if not is_unit(name)]
    return sorted(found)
