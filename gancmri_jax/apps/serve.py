"""Web pages on this machine: the application that each begins with, and the server it runs in."""

import pathlib
import secrets
import socket
import threading
import time
import webbrowser
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

from gancmri_jax.apps.connections import LimitedProtocol, Patience
from gancmri_jax.apps.guard import Guard, error_answer
from gancmri_jax.disclaimer import NOT_FOR_DIAGNOSIS
from gancmri_jax.errors import InputError

HERE = pathlib.Path(__file__).parent
LOOPBACK = "127.0.0.1"
OPEN_TO_ALL = (
    "Whoever reaches this address on the network can use the page, and sees what it shows."
)


def web_app(
    *,
    token: str | None = None,
    names: Iterable[str] = (),
    most_bytes: Mapping[str, int] | None = None,
) -> FastAPI:
    """Return an application with the house's files under `/static`, guarded, without pages yet.

    Errors are answered as JSON, `{"error": "one line"}`; an `InputError` is the asker's, 400.

    Args:
        token: What requests that change anything must hold; drawn anew by default, so that pages
            of a server that was started again must be loaded again.
        names: Host names that mean this server, besides `localhost` and addresses.
        most_bytes: Of a body, by path; elsewhere it is 64 KiB.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.token = token or secrets.token_urlsafe()
    app.add_middleware(
        Guard,
        token=app.state.token,
        names=frozenset(name.lower() for name in names),
        most_bytes=most_bytes or {},
    )
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    app.add_exception_handler(InputError, _input_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    return app


def page(request: Request, template: str, **context: Any) -> HTMLResponse:
    """Render one of `templates/`, escaped, with the `token` that its scripts send back."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined
    )
    environment.policies["json.dumps_kwargs"] = {}  # keys in their own order
    environment.globals["not_for_diagnosis"] = NOT_FOR_DIAGNOSIS
    content = environment.get_template(template).render(token=request.app.state.token, **context)
    return HTMLResponse(content)


def listen(host: str, port: int) -> socket.socket:
    """Take a port, 0 for any that is free.

    Raises:
        InputError: It is taken, or the host is none of this machine's.
    """
    try:
        (family, *_, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        raise InputError(
            f"{host} port {port}: cannot listen there ({error.strerror}); "
            "choose another --port, 0 for any that is free"
        ) from error


def server(app: FastAPI, patience: Patience | None = None) -> uvicorn.Server:
    """Return the server of an application, which `run(sockets=[listen(…)])` starts."""
    limits = {"patience": patience or Patience()}
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=type("Protocol", (LimitedProtocol,), limits),
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    )


def serve(
    app: FastAPI,
    host: str,
    port: int,
    *,
    open_browser: bool,
    path: str = "/",
    on_network: str = OPEN_TO_ALL,
    say: Callable[[str], object] = print,
) -> None:
    """Serve until Ctrl-C, and open the page in a browser.

    Args:
        app: See `web_app`.
        host: Where to listen.
        port: Where to listen, 0 for any that is free.
        open_browser: Whether to open it.
        path: Of the page to open.
        on_network: What is said where others than this machine can reach it.
        say: Is told the address.

    Raises:
        InputError: The port is taken, or the host is none of this machine's.
    """
    taken = listen(host, port)
    address, port = taken.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{port}{path}"
    say(f"{url}  (Ctrl-C ends it)")
    if not is_loopback(address):
        say(on_network)
    running = server(app)
    if open_browser:
        threading.Thread(target=_open, args=(running, url), daemon=True).start()
    try:
        running.run(sockets=[taken])
    except KeyboardInterrupt:  # which the server sends once more when all is closed
        pass
    finally:
        taken.close()


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine alone."""
    return host in ("localhost", "::1") or host.startswith("127.")


def _open(running: uvicorn.Server, url: str) -> None:
    while not running.started:
        time.sleep(0.05)
    webbrowser.open(url)


async def _input_error(_: Request, error: Exception) -> Response:
    return error_answer(str(error), 400)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = " ".join(str(part) for part in first["loc"])
    return error_answer(f"{where}: {first['msg']}", 422)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_answer(error.detail, error.status_code, error.headers)
