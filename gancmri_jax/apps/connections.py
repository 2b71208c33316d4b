"""Connections to a page: how many one client may hold, and how slow it may be.

A server that waits for ever for the rest of a request can be kept busy by anybody who sends it byte
by byte (slowloris). So a request's headers must come in time, a body at a least rate, and an answer
must be taken; a client holds a limited number of connections, and so do all of them together.
"""

import dataclasses
import http
import json
from asyncio import TimerHandle
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from gancmri_jax.apps.guard import HEADERS


@dataclasses.dataclass(frozen=True)
class Patience:
    """How much a server bears with.

    Attributes:
        headers_s: Time for a request's headers, from the connection or the last answer on.
        body_s: Time for a body of any size.
        least_rate: Bytes a second that a body must have beyond that, in the mean.
        stalled_s: Time in which a client takes nothing of its answer.
        answer_s: Time in which it must have taken all of it.
        most_each: Connections of a client, by its address. Readers behind one proxy share one.
        most: Connections of all.
        look_s: Time between two looks at a connection.
    """

    headers_s: float = 10.0
    body_s: float = 10.0
    least_rate: float = 2**16
    stalled_s: float = 30.0
    answer_s: float = 600.0
    most_each: int = 64
    most: int = 512
    look_s: float = 1.0


class LimitedProtocol(H11Protocol):
    """A connection of uvicorn's, within the limits of `patience`."""

    patience = Patience()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timer: TimerHandle | None = None
        self._since = 0.0  # the connection, or the last answer
        self._received = 0  # bytes since then
        self._waiting, self._waiting_since, self._unmoved_since = 0, 0.0, 0.0

    def connection_made(self, transport: Any) -> None:  # asyncio's Transport, or uvloop's
        """Take a connection, or refuse it."""
        super().connection_made(transport)
        held = sum(self._address(other) == self._address(self) for other in self.connections)
        if held > self.patience.most_each or len(self.connections) > self.patience.most:
            self._refuse(503, "too many connections at once; close some pages and try again")
            return
        self._since = self.loop.time()
        self._timer = self.loop.call_later(self.patience.look_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes."""
        if not self.transport.is_closing():
            self._received += len(data)
            super().data_received(data)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self._since, self._received = self.loop.time(), 0
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(400, "this is no HTTP request that can be read")

    @staticmethod
    def _address(connection: Any) -> str | None:
        return connection.client[0] if connection.client else None

    def _look(self) -> None:
        """End the connection where the client is too slow."""
        now, patience = self.loop.time(), self.patience
        self._timer = self.loop.call_later(patience.look_s, self._look)
        if self._is_stalled(now):
            self.transport.abort()
        elif self.transport.is_closing():
            return
        elif self.conn.their_state is h11.IDLE:
            if now - self._since > patience.headers_s:
                self._refuse(408, "the request did not come in time")
        elif self.conn.their_state is h11.SEND_BODY and not self.flow.read_paused:
            due = (now - self._since - patience.body_s) * patience.least_rate
            if due > self._received:
                self._refuse(408, "the request's body came too slowly")

    def _is_stalled(self, now: float) -> bool:
        """Tell whether the client leaves its answer lying."""
        waiting = self.transport.get_write_buffer_size()
        if not self._waiting or not waiting:
            self._waiting_since = now
        if waiting != self._waiting or not waiting:
            self._unmoved_since = now
        self._waiting = waiting
        return (
            now - self._unmoved_since > self.patience.stalled_s
            or now - self._waiting_since > self.patience.answer_s
        )

    def _refuse(self, status: int, reason: str) -> None:
        """Answer in the place of the application, and close."""
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_answer(status, reason))
        self.transport.close()


def _answer(status: int, reason: str) -> bytes:
    body = json.dumps({"error": reason}).encode()
    headers = {
        **HEADERS,
        "Cache-Control": "no-store",
        "Connection": "close",
        "Content-Length": str(len(body)),
        "Content-Type": "application/json",
    }
    lines = [f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
