"""Downloads that go on where they broke off, and files that are what their SHA-256 says."""

import base64
import dataclasses
import errno
import netrc
import os
import pathlib
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException
from typing import Any

from tqdm import tqdm

from gancmri_jax.checksums import file_sha256
from gancmri_jax.errors import InputError

MOST_BYTES = 2**32  # of one file; the largest of the table has an eighth of it
_TIMEOUT_S = 30
_CHUNK = 1 << 20
_PATIENCE_S = 120  # in which `_LEAST_BYTES` must come: any line that works is faster
_LEAST_BYTES = 2**17
_ATTEMPTS = 1000
_OWN_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)  # of the disk, not the server


@dataclasses.dataclass(frozen=True)
class Access:
    """How servers are reached.

    Attributes:
        certificates: A file of certificate authorities, in place of the system's.
        proxy: In place of the environment's.
        logins: User and password by host, from addresses that held them.
    """

    certificates: str | None = None
    proxy: str | None = None
    logins: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)

    def open(self, url: str, headers: dict[str, str]) -> Any:
        """Open a URL; a login is sent to its own host alone, not along a redirection."""
        request = urllib.request.Request(url, headers=headers)
        host = urllib.parse.urlsplit(url).hostname or ""
        if login := self.logins.get(host) or _login_of_netrc(host):
            token = base64.b64encode(":".join(login).encode()).decode()
            request.add_unredirected_header("Authorization", f"Basic {token}")
        context = ssl.create_default_context(cafile=self.certificates)
        handlers: list[Any] = [urllib.request.HTTPSHandler(context=context)]
        if self.proxy:
            handlers.append(urllib.request.ProxyHandler({"http": self.proxy, "https": self.proxy}))
        return urllib.request.build_opener(*handlers).open(request, timeout=_TIMEOUT_S)


def download(url: str, path: pathlib.Path, sha256: str | None, access: Access) -> None:
    """Fetch a URL into a file, whole or not at all.

    What was received lies in a `.part` file beside it; the next attempt, of this call or a later
    one, asks for the rest alone. The progress is shown where standard error is a terminal.

    Raises:
        InputError: The server does not answer, breaks off, is too slow, or sends too much or a file
            of another SHA-256; what has arrived of the last two is removed. The message does not
            say the URL.
        OSError: The file cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(_ATTEMPTS):
        before = _size(part)
        try:
            _receive(url, part, access)
            check_sha256(part, sha256)
            break
        except _RefusedError as error:
            if error.worthless:
                part.unlink(missing_ok=True)
            raise InputError(unreachable(url, error)) from error
        except InputError as error:
            part.unlink(missing_ok=True)
            if not before:  # else the first half may have been another file's
                raise InputError(f"{path.name} came with another SHA-256 than {sha256}") from error
        except (OSError, HTTPException) as error:
            if isinstance(error, OSError) and error.errno in _OWN_FAULTS:
                raise OSError(error.errno, error.strerror, str(part)) from error
            if _size(part) <= before:  # an attempt that brought something is worth another
                raise InputError(unreachable(url, error)) from error
    else:
        raise InputError(f"{urllib.parse.urlsplit(url).hostname}: broke off {_ATTEMPTS} times")
    os.replace(part, path)


class _RefusedError(Exception):
    """A server sends what is not worth waiting for, or, `worthless`, not worth keeping."""

    def __init__(self, reason: str, worthless: bool = False) -> None:
        super().__init__(reason)
        self.worthless = worthless


def unreachable(url: str, error: Exception) -> str:
    """Say in a few words which server does not give what is asked for, and why."""
    reason = getattr(error, "reason", None) or error
    said = " ".join(str(reason).split())
    return f"{urllib.parse.urlsplit(url).hostname or 'a local index'}: {said}"


def check_sha256(path: pathlib.Path, sha256: str | None) -> None:
    """Make sure that a file has a SHA-256, where one is known.

    Raises:
        InputError: It has another.
    """
    if sha256 is not None and (found := file_sha256(path)) != sha256:
        raise InputError(f"{path}: has the SHA-256 {found}, and {sha256} is expected")


def _receive(url: str, part: pathlib.Path, access: Access) -> None:
    start = _size(part)
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response = access.open(url, headers)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left to send: it was all there, or is another file
            return
        raise
    with response:
        if start and not _continues(response, start):
            start = 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with (
            part.open("ab" if start else "wb") as file,
            tqdm(
                desc=part.name.removesuffix(".part"),
                initial=start,
                total=total,
                unit="B",
                unit_scale=True,
                disable=None,
            ) as bar,
        ):
            since, arrived = time.monotonic(), 0  # of the current stretch of `_PATIENCE_S`
            while chunk := response.read1(_CHUNK):  # `read` would wait for all of a chunk
                file.write(chunk)
                bar.update(len(chunk))
                arrived += len(chunk)
                if file.tell() > MOST_BYTES:
                    raise _RefusedError(f"sends over {MOST_BYTES} bytes", worthless=True)
                if (seconds := time.monotonic() - since) > _PATIENCE_S:
                    if arrived < _LEAST_BYTES:
                        raise _RefusedError(
                            f"is too slow ({arrived} bytes in {seconds:.0f} s); the next attempt "
                            "goes on from there"
                        )
                    since, arrived = time.monotonic(), 0
    if total is not None and _size(part) != total:
        raise ConnectionError("broke off")


def _size(part: pathlib.Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _continues(response: Any, start: int) -> bool:
    sent = response.headers.get("Content-Range", "")
    return response.status == 206 and sent.startswith(f"bytes {start}-")


def _login_of_netrc(host: str) -> tuple[str, str] | None:
    try:
        found = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return None
    return (found[0], found[2] or "") if found else None
