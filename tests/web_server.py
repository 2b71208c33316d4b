"""A web server on this machine that can break off, refuse ranges, ask for a password, and lie."""

import contextlib
import dataclasses
import http.server
import threading
import time


@dataclasses.dataclass
class Site:
    """What is served, how, and what was asked for.

    Attributes:
        files: Contents by path.
        break_after: Bytes after which each answer breaks off, if any.
        ranges: Whether parts are served.
        login: The `Authorization` header that is asked for, if any.
        elsewhere: Where paths are redirected to.
        drip_s: Seconds before each byte, if any.
        endless: Send a file over and over, and never say how long it is.
        requests: Paths and `Range` headers, in turn.
    """

    files: dict[str, bytes] = dataclasses.field(default_factory=dict)
    break_after: int | None = None
    ranges: bool = True
    login: str | None = None
    elsewhere: dict[str, str] = dataclasses.field(default_factory=dict)
    drip_s: float | None = None
    endless: bool = False
    requests: list[tuple[str, str | None]] = dataclasses.field(default_factory=list)
    url: str = ""


@contextlib.contextmanager
def serve():
    """Yield a `Site` that is served until the end."""
    site = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers["Range"]
            site.requests.append((self.path, asked))
            content = site.files.get(self.path)
            if self.path in site.elsewhere:
                self.send_response(302)
                self.send_header("Location", site.elsewhere[self.path])
                self.end_headers()
                return None
            if site.login and self.headers["Authorization"] != site.login:
                return self.send_error(401)
            if content is None:
                return self.send_error(404)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and site.ranges else 0
            if asked and site.ranges and start >= len(content):
                return self.send_error(416)
            self.send_response(206 if asked and site.ranges else 200)
            if asked and site.ranges:
                last = f"{len(content) - 1}/{len(content)}"
                self.send_header("Content-Range", f"bytes {start}-{last}")
            if not site.endless:
                self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            body = content[start:]
            with contextlib.suppress(OSError):  # the client has enough
                while site.endless:
                    self.wfile.write(body)
                for byte in body if site.drip_s else b"":
                    time.sleep(site.drip_s)
                    self.wfile.write(bytes([byte]))
                if not site.drip_s:
                    self.wfile.write(body if site.break_after is None else body[: site.break_after])
            return None

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
