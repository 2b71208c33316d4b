import errno
import sqlite3

import httpx
import pytest
from pydantic import BaseModel

from gancmri_jax.apps.guard import HEADERS, TOKEN_HEADER
from gancmri_jax.apps.serve import web_app
from tests.browser import served


class Sent(BaseModel):
    text: str
    ranks: dict[str, int] = {}


@pytest.fixture(scope="module")
def client():
    app = web_app(token="secret")

    @app.get("/fails/{how}")
    def fails(how: str):
        raise {
            "full": OSError(errno.ENOSPC, "No space left on device", "/tmp/secret-place"),
            "quota": OSError(errno.EDQUOT, "Disk quota exceeded"),
            "bug": ZeroDivisionError("a secret"),
            "database": sqlite3.OperationalError("a secret"),
        }[how]

    @app.post("/sent")
    def sent(what: Sent):
        return {"text": what.text, **what.ranks}

    with served(app) as url, httpx.Client(base_url=url) as opened:
        opened.headers[TOKEN_HEADER] = "secret"
        yield opened


def is_clear(answer, status):
    assert answer.status_code == status
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    error = answer.json()["error"]
    assert error and "\n" not in error and "secret" not in error
    return error


@pytest.mark.parametrize(
    ("how", "status", "said"),
    [
        ("full", 507, "the disk of the server is full"),
        ("quota", 507, "the disk of the server is full"),
        ("bug", 500, "made an error"),
        ("database", 500, "made an error"),
    ],
)
def test_no_failure_is_a_bare_500(client, how, status, said, caplog):
    assert said in is_clear(client.get(f"/fails/{how}"), status)


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "]", "http://a]b", "", "://"])
def test_a_malformed_origin_is_refused(client, origin):
    answer = client.post("/sent", json={"text": "a"}, headers={"Origin": origin})
    assert "another site" in is_clear(answer, 403)


@pytest.mark.parametrize(
    "body",
    [
        rb'{"text": "\ud800"}',
        rb'{"text": "a", "ranks": {"\ud800": 1}}',
        rb'{"text": "a", "ranks": {"\udfff": "x"}}',
        rb'{"text": 1e999}',
        b'{"text": "\xff"}',
        b"[" * 30000,
    ],
)
def test_what_cannot_be_decoded_is_refused(client, body):
    answer = client.post("/sent", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    is_clear(answer, answer.status_code)
