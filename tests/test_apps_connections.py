import contextlib
import socket
import time

import httpx
import pytest
from fastapi import Request
from starlette.responses import PlainTextResponse, Response

from gancmri_jax.apps.connections import Patience
from gancmri_jax.apps.guard import HEADERS, TOKEN_HEADER
from gancmri_jax.apps.serve import LOOPBACK, web_app
from tests.browser import served

PATIENCE = Patience(
    headers_s=0.4,
    body_s=0.4,
    least_rate=1e5,
    stalled_s=0.4,
    answer_s=1.0,
    most_each=4,
    most=6,
    look_s=0.05,
)
POST = (
    f"POST /length HTTP/1.1\r\nHost: {LOOPBACK}\r\n{TOKEN_HEADER}: secret\r\n"
    "Content-Length: 60000\r\n\r\n"
).encode()


@pytest.fixture(scope="module")
def url():
    app = web_app(token="secret")

    @app.get("/large")
    def large():
        return Response(bytes(2**24), media_type="application/octet-stream")

    @app.post("/length")
    async def length(request: Request):
        return PlainTextResponse(str(sum([len(chunk) async for chunk in request.stream()])))

    with served(app, PATIENCE) as address:
        yield address


@pytest.fixture
def connect(url):
    with contextlib.ExitStack() as stack:

        def opened(**options):
            taken = socket.socket()
            for name, value in options.items():
                taken.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
            taken.settimeout(10)
            taken.connect((LOOPBACK, int(url.rpartition(":")[2])))
            return stack.enter_context(taken)

        yield opened
    time.sleep(0.1)  # until the server has noticed


def rest(taken):
    """All that still comes, until the server closes."""
    pieces = []
    with contextlib.suppress(ConnectionResetError):
        while piece := taken.recv(2**16):
            pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: "])
def test_headers_that_do_not_come_in_time_end_the_connection(connect, sent):
    taken, start = connect(), time.monotonic()
    taken.sendall(sent)
    answer = rest(taken)
    assert 0.3 < time.monotonic() - start < 5
    assert answer.startswith(b"HTTP/1.1 408 ") and b'{"error": "the request did not' in answer
    for name, value in HEADERS.items():
        assert f"\r\n{name}: {value}\r\n".encode() in answer


def test_headers_that_trickle_do_not_help(connect):
    taken, start = connect(), time.monotonic()
    with contextlib.suppress(ConnectionError):
        for byte in b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " + b"a" * 200:
            taken.sendall(bytes([byte]))
            time.sleep(0.02)
    assert time.monotonic() - start < 4


def test_a_body_that_trickles_ends_the_connection(connect):
    taken, start = connect(), time.monotonic()
    taken.sendall(POST)
    with contextlib.suppress(ConnectionError):
        for _ in range(200):
            taken.sendall(b"a")
            time.sleep(0.02)
    assert time.monotonic() - start < 4
    with contextlib.suppress(ConnectionError):
        assert b"408" in rest(taken)[:20]


def test_a_body_that_comes_in_time_is_taken(connect, url):
    taken = connect()
    taken.sendall(POST)
    for _ in range(6):
        taken.sendall(bytes(10_000))
        time.sleep(0.05)
    assert b"60000" in taken.recv(2**16)
    assert httpx.get(f"{url}/large").content == bytes(2**24)


def test_an_answer_that_nobody_takes_is_dropped(connect):
    taken, start = connect(SO_RCVBUF=4096), time.monotonic()
    taken.sendall(f"GET /large HTTP/1.1\r\nHost: {LOOPBACK}\r\n\r\n".encode())
    time.sleep(1.2)
    assert len(rest(taken)) < 2**24 and time.monotonic() - start < 5


def test_a_client_holds_so_many_connections_and_no_more(connect, url):
    held = [connect() for _ in range(PATIENCE.most_each)]
    time.sleep(0.05)
    refused = rest(connect())
    assert refused.startswith(b"HTTP/1.1 503 ") and b"too many connections" in refused
    assert b"X-Content-Type-Options: nosniff" in refused
    for taken in held:
        rest(taken)  # they sent nothing, and are ended in their turn
    time.sleep(0.1)
    assert httpx.get(f"{url}/large").is_success


def test_what_is_no_http_is_refused_with_the_headers(connect):
    taken = connect()
    taken.sendall(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
    answer = rest(taken)
    assert answer.startswith(b"HTTP/1.1 400 ") and b"X-Frame-Options: DENY" in answer
