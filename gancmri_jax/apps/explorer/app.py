"""The explorer: a page whose sliders move a heart through latent space, and what it asks for."""

import math
import pathlib
import tempfile
import threading
from collections.abc import Iterable
from typing import Annotated, Any

import anyio.to_thread
import numpy as np
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from gancmri_jax.apps.explorer.choice import OWN, Choice, command_line, explain
from gancmri_jax.apps.explorer.films import Films
from gancmri_jax.apps.explorer.turns import Superseded, Turns
from gancmri_jax.apps.explorer.uploads import SUFFIXES, Uploads, checked_suffix
from gancmri_jax.apps.serve import page, web_app
from gancmri_jax.errors import InputError
from gancmri_jax.model.model import Model

MOST_UPLOAD_BYTES = 2**28
MOST_UPLOADS = 4  # at once: each waits for the one before it in a thread that others need
MOST_AMOUNT = 10.0
MOST_TARGET = 1000.0
TRUNCATION = 0.7  # of the page that was just opened
MOST_NAME = 100  # characters of a file's name that are repeated


def chosen(
    motion: str,
    seed: Annotated[int, Query(ge=0, lt=2**32)] = 0,
    truncation: Annotated[float, Query(ge=-2, le=2)] = 1.0,
    adjust: Annotated[list[str] | None, Query(max_length=100)] = None,
    cine: str = "",
) -> Choice:
    """Read what a pane shows from a request's query; `adjust` holds `name=amount`."""
    read = named_numbers(adjust or [], MOST_AMOUNT)
    amounts = tuple((name, value) for name, value in read.items() if value)
    if cine:  # seed and truncation mean nothing: one name for one heart
        return Choice(motion, amounts=amounts, cine=cine)
    return Choice(motion, seed, truncation, amounts)


def named_numbers(texts: Iterable[str], most: float) -> dict[str, float]:
    """Read `name=number`s.

    Raises:
        InputError: One is none, or larger than `most`.
    """
    read = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not (name and abs(value) <= most):
            raise InputError(f"{text!r} is not of the form name=number, of at most {most:g}")
        read[name] = value
    return read


Chosen = Annotated[Choice, Depends(chosen)]


def explorer_app(
    model: Model,
    model_name: str,
    *,
    names: Iterable[str] = (),
    most_upload_bytes: int = MOST_UPLOAD_BYTES,
) -> FastAPI:
    """Return the explorer of a model; it is compiled when this returns.

    Args:
        model: The model.
        model_name: How commands name it.
        names: Host names that mean this server.
        most_upload_bytes: Of a file that is loaded.

    Raises:
        InputError: The model has learned no motion, or its images are in colour.
    """
    model.insist_grey()
    app = web_app(names=names, most_bytes={"/cines": most_upload_bytes})
    turns = Turns()
    uploads = Uploads(model, turns.give_way)
    places = threading.BoundedSemaphore(MOST_UPLOADS)
    films = Films(model, uploads)
    first = Choice(films.motions[0], truncation=TRUNCATION)
    films.warm(first)
    if model.segmenter is not None:
        threading.Thread(target=films.curve, args=(first, lambda: None, False), daemon=True).start()
    app.state.close = uploads.close

    @app.exception_handler(Superseded)
    async def superseded(_: Request, __: Exception) -> Response:
        return JSONResponse({"error": "superseded"}, 409)

    @app.get("/")
    def explorer(request: Request) -> Response:
        return page(request, "explorer.html", about=about(films, model_name))

    @app.get("/frame")
    def frame(
        choice: Chosen, asker: str, number: int, phase: Annotated[float, Query(ge=0, le=1)]
    ) -> Response:
        turns.take(asker, number)
        return _raw(films.frame(choice, phase)[None], films.frame_ms)

    @app.get("/film")
    def film(choice: Chosen, asker: str, number: int) -> Response:
        cine = films.film(choice, turns.take(asker, number)).cine
        return _raw(cine.pixels, cine.shown_frame_ms)

    @app.get("/curve")
    def curve(choice: Chosen, asker: str, number: int, coarse: bool = False) -> dict[str, Any]:
        return films.curve(choice, turns.take(asker, number), coarse)

    @app.get("/aim")
    def aim(choice: Chosen, target: Annotated[list[str], Query(max_length=10)]) -> dict[str, Any]:
        solution = films.aim(choice, named_numbers(target, MOST_TARGET))
        return {"amounts": solution.amounts, "said": str(solution)}

    @app.get("/command")
    def command(choice: Chosen) -> dict[str, str]:
        return {"command": command_line(choice, model_name, model, films.frame_ms)}

    @app.get("/download/{form}")
    def download(choice: Chosen, form: str) -> Response:
        folder = tempfile.TemporaryDirectory(prefix="gancmri-explore-")
        try:
            path = films.write(choice, form, pathlib.Path(folder.name))
        except BaseException:
            folder.cleanup()
            raise
        return FileResponse(path, filename=path.name, background=BackgroundTask(folder.cleanup))

    @app.post("/cines")
    async def load(request: Request, name: str) -> dict[str, Any]:
        said = name[-MOST_NAME:]
        try:
            suffix = checked_suffix(name)
        except InputError as error:
            raise InputError(f"{said}: {error}") from error
        if not places.acquire(blocking=False):
            raise HTTPException(503, f"{said}: other files are being loaded; try again soon")
        try:
            with tempfile.TemporaryDirectory(prefix="gancmri-explore-") as folder:
                # Of the name, only the suffix reaches the file system.
                path = pathlib.Path(folder) / f"cine{suffix}"
                with path.open("wb") as file:
                    async for chunk in request.stream():
                        await anyio.to_thread.run_sync(file.write, chunk)
                loaded = await anyio.to_thread.run_sync(uploads.add, path, said)
        finally:
            places.release()
        return {"cines": loaded}

    @app.get("/cines/{name}")
    def progress(name: str) -> dict[str, Any]:
        loaded = uploads[name]
        return {
            "frames": len(loaded.cine.pixels),
            "state": loaded.state,
            "share": min(loaded.share, 1.0),
            "error": loaded.error,
            "spacing": not math.isnan(loaded.cine.spacing_mm[0]),
        }

    return app


def about(films: Films, model_name: str) -> dict[str, Any]:
    """Say what the page must know of a model, JSON-like."""
    model = films.model
    return {
        "model": model_name,
        "resolution": model.resolution,
        "truncation": TRUNCATION,
        "motions": {name: explain(name, model) for name in films.motions},
        "own": OWN,
        "directions": list(model.directions),
        "targets": films.targets,
        "segmenter": model.segmenter is not None,
        "spacing": model.spacing_mm is not None,
        "suffixes": list(SUFFIXES),
    }


def _raw(frames: np.ndarray, frame_ms: float) -> Response:
    headers = {
        "X-Shape": ",".join(map(str, frames.shape)),
        "X-Frame-Ms": f"{frame_ms:g}",
    }
    return Response(frames.tobytes(), media_type="application/octet-stream", headers=headers)
