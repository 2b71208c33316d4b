"""The reader study as a page: a reader's next screen, its stimuli, and answers.

A reader is known by a token, sent as a header by the page's script, which has it from the part of
the link that browsers keep to themselves. Nothing that is sent depends on which stimulus is real:
names are random, one for each reader and place; stimuli are raw pixels, so all of one length.
"""

import logging
import sqlite3
import threading
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from gancmri_jax.apps.guard import error_answer
from gancmri_jax.apps.reader_study.answers import record
from gancmri_jax.apps.reader_study.store import (
    next_screens,
    pixels_of,
    progress_of,
    read_study,
    reader_of,
)
from gancmri_jax.apps.serve import page, web_app

LOG = logging.getLogger("uvicorn.error")
_IN_VIEW = 2  # the screen to answer, and the one after it, which pages load beforehand


class Submission(BaseModel):
    """What a page sends: opaque names throughout; see `study_answers.record`."""

    screen: str
    chosen: str
    ranks: dict[str, int] = {}
    response_ms: float


def study_app(connection: sqlite3.Connection, names: Iterable[str] = ()) -> FastAPI:
    """Return the application that serves an open study.

    Args:
        connection: Used by one request at a time.
        names: Host names that mean this server, besides `localhost` and addresses.
    """
    study = read_study(connection)
    app = web_app(token=study.page_token, names=names)
    turn = threading.Lock()

    @app.exception_handler(sqlite3.Error)
    async def not_kept(request: Request, error: Exception) -> Response:
        LOG.error("the study's file: %s", error)
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        reason = "its disk is full" if full else f"its file fails ({error})"
        kept = "stored nothing" if request.method == "POST" else "cannot read the study"
        return error_answer(f"the server {kept}, because {reason}; call who runs it", 503)

    def reader(request: Request) -> int:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        found = reader_of(connection, token)
        if found is None:
            raise HTTPException(401, "this link is not valid, or no longer; ask for another")
        return found

    def view(who: int) -> dict[str, Any]:
        done, total = progress_of(connection, who)
        screens = next_screens(connection, who, _IN_VIEW)
        return {
            "kind": study.kind,
            "size": study.size,
            "frames": study.num_frames,
            "beat_ms": study.beat_ms,
            "done": done,
            "total": total,
            "screens": [{"name": s.name, "stimuli": s.stimuli} for s in screens],
        }

    @app.get("/")
    def study_page(request: Request) -> HTMLResponse:
        return page(request, "study.html", kind=study.kind, shown=study.num_shown)

    @app.get("/next")
    def next_screen(request: Request) -> dict[str, Any]:
        with turn:
            return view(reader(request))

    @app.get("/stimulus/{name}")
    def stimulus(request: Request, name: str) -> Response:
        with turn:
            who = reader(request)
            in_view = next_screens(connection, who, _IN_VIEW)
            if not any(name in screen.stimuli for screen in in_view):
                raise HTTPException(404, "not on this screen")
            pixels = pixels_of(connection, who, name)
        return Response(pixels, media_type="application/octet-stream")

    @app.post("/answer")
    def answer(request: Request, sent: Submission) -> dict[str, Any]:
        with turn:
            who = reader(request)
            record(connection, who, sent.screen, sent.chosen, sent.ranks, sent.response_ms)
            return view(who)

    return app
