"""What every request to a page must pass, and what every answer says of itself.

A page on this machine can be reached by any other page in the same browser. So the `Host` header
must name this server (a name that some page rebinds to 127.0.0.1 does not), what changes anything
must come from a page of this server and hold its token, and a body that is too large is refused
before it is read. Whatever goes wrong behind that is answered in one line, with the same headers.
See OWASP's cheat sheets on cross-site request forgery and on HTTP headers.
"""

import dataclasses
import errno
import hmac
import ipaddress
import logging
import urllib.parse
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-gancmri-token"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LOG = logging.getLogger("uvicorn.error")
READING = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclasses.dataclass(frozen=True)
class Guard:
    """A server's rules, around its application.

    Attributes:
        app: The application.
        token: What a request that changes anything must hold in its header.
        names: Host names that mean this server, besides `localhost` and addresses.
        most_bytes: Of a body, by path.
        most_elsewhere: Of a body on any other path.
    """

    app: ASGIApp
    token: str
    names: frozenset[str] = frozenset()
    most_bytes: Mapping[str, int] = dataclasses.field(default_factory=dict)
    most_elsewhere: int = 2**16

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        most = self.most_bytes.get(scope["path"], self.most_elsewhere)

        started = False

        async def send_marked(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                marked = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    marked[name] = value
                marked.setdefault("Cache-Control", "no-store")
            await send(message)

        if refusal := self._refusal(scope["method"], headers, most):
            status, reason = refusal
            # The rest of a refused body stays unread.
            response = error_answer(reason, status, {"Connection": "close"})
            await response(scope, receive, send_marked)
            return
        try:
            await self.app(scope, _limited(receive, most), send_marked)
        except ClientDisconnect:
            return
        except Exception as error:
            if started:  # the connection is closed, so that half an answer passes for none
                raise
            response = error_answer(*_explain(error), {"Connection": "close"})
            await response(scope, receive, send_marked)

    def _refusal(self, method: str, headers: Headers, most: int) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if not is_own_host(host, self.names):
            return 421, f"this server does not go by the name {host!r}"
        site = headers.get("sec-fetch-site", "same-origin")
        if method in READING:
            # A link from elsewhere may open a page; another page may not ask for what is in it,
            # nor open it in a frame of its own.
            led_here = headers.get("sec-fetch-mode") == "navigate"
            led_here &= headers.get("sec-fetch-dest", "document") == "document"
            if site not in ("same-origin", "none") and not led_here:
                return 403, "asked for by a page of another site"
            return None
        if site != "same-origin" or _network_place(headers.get("origin", f"//{host}")) != host:
            return 403, "sent by a page of another site"
        if not hmac.compare_digest(headers.get(TOKEN_HEADER, "").encode(), self.token.encode()):
            return 403, "sent by a page that is out of date; load it again"
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            return 400, "the length of the body is no number"
        if len(length) > 18 or int(length) > most:
            return 413, too_large(most)
        return None


def is_own_host(host: str, names: frozenset[str]) -> bool:
    """Tell whether a `Host` header means this server: an address, `localhost` or one of `names`.

    Another site's page comes under a name that leads here, never under an address.
    """
    try:
        name = urllib.parse.urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    if name is None or name == "localhost" or name in names:
        return name is not None
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def error_answer(
    reason: str, status: int, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return an error as JSON, `{"error": "one line"}`, whatever the line repeats of a request."""
    # A lone surrogate cannot be encoded.
    line = " ".join(reason.encode("utf-8", "backslashreplace").decode().split())
    return JSONResponse({"error": line}, status, headers)


def _explain(error: Exception) -> tuple[str, int]:
    """Say in one line what went wrong, and its status; the log has the rest."""
    if isinstance(error, OSError) and error.errno in FULL:
        LOG.error("the disk is full: %s", error)
        return "the disk of the server is full, so nothing was saved; free some space", 507
    if isinstance(error, UnicodeEncodeError):  # of a lone surrogate, which JSON can hold
        return "holds characters that are no text", 400
    LOG.error("a request failed", exc_info=error)
    return "the server made an error, which its terminal shows", 500


def _network_place(origin: str) -> str | None:
    """Return host and port of an `Origin` header, None where it is malformed."""
    try:
        return urllib.parse.urlsplit(origin).netloc
    except ValueError:
        return None


def too_large(most: int) -> str:
    """Say why a body is refused."""
    return f"larger than the {most / 2**20:g} MiB that are taken here"


def _limited(receive: Receive, most: int) -> Receive:
    """Count what a body really holds: it may be longer than it says, or not say."""
    taken = 0

    async def receive_limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise HTTPException(413, too_large(most), {"Connection": "close"})
        return message

    return receive_limited
