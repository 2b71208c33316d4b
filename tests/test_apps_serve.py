import http.client
import signal
import subprocess
import sys
import time
import urllib.request

import httpx
import pytest
from fastapi import Request
from starlette.responses import PlainTextResponse

from gancmri_jax.apps import packages
from gancmri_jax.apps.guard import HEADERS, TOKEN_HEADER, is_own_host
from gancmri_jax.apps.serve import LOOPBACK, is_loopback, listen, web_app
from gancmri_jax.errors import InputError
from tests.browser import served

OWN = "this server"
OTHER = {"Host": "evil.example"}


@pytest.fixture(scope="module")
def client():
    app = web_app(token="secret", names=["Heart.example"], most_bytes={"/large": 2**20})

    @app.get("/seed/{seed}")
    def seed(seed: int):
        if seed == 13:
            raise InputError("seed 13 brings no luck")
        return {"seed": seed}

    async def length(request: Request):
        total = 0
        async for chunk in request.stream():
            total += len(chunk)
        return PlainTextResponse(str(total))

    app.post("/small")(length)
    app.post("/large")(length)
    with served(app) as url, httpx.Client(base_url=url) as opened:
        yield opened


def test_answers_say_what_a_browser_may_do_with_them(client):
    for answer in (client.get("/seed/1"), client.get("/no"), client.get("/seed/1", headers=OTHER)):
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
        assert answer.headers["Cache-Control"] == "no-store"
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("192.168.0.7", True),
        ("localhost:1", True),
        ("heart.example", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example:8000", False),
        ("evil.example:127", False),
        ("", False),
        ("[", False),
    ],
)
def test_a_host_that_is_rebound_to_this_machine_is_not_its_own(host, own):
    assert is_own_host(host, frozenset({"heart.example"})) == own


def test_another_host_is_refused(client):
    assert client.get("/seed/1").json() == {"seed": 1}
    assert client.get("/seed/1", headers=OTHER).status_code == 421
    assert client.get("/static/../serve.py", headers=OTHER).status_code == 421
    assert client.get("/seed/1", headers={"Host": "heart.EXAMPLE"}).is_success


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({TOKEN_HEADER: "secret"}, 200),
        ({TOKEN_HEADER: "secret", "Origin": OWN, "Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 403),
        ({"Origin": OWN}, 403),
        ({TOKEN_HEADER: "Secret"}, 403),
        ({TOKEN_HEADER: "secret", "Origin": "http://evil.example"}, 403),
        ({TOKEN_HEADER: "secret", "Origin": "http://127.0.0.1:9000"}, 403),
        ({TOKEN_HEADER: "secret", "Origin": "null"}, 403),
        ({TOKEN_HEADER: "secret", "Sec-Fetch-Site": "cross-site"}, 403),
        ({TOKEN_HEADER: "secret", "Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_only_pages_of_this_server_may_change_anything(client, headers, status):
    own = str(client.base_url).rstrip("/")
    headers = {name: value.replace(OWN, own) for name, value in headers.items()}
    assert client.post("/small", content=b"abc", headers=headers).status_code == status


def test_another_site_may_lead_to_a_page_and_not_read_what_is_in_it(client):
    across = {"Sec-Fetch-Site": "cross-site"}
    led = {**across, "Sec-Fetch-Mode": "navigate"}
    assert client.get("/seed/1", headers=led).is_success
    assert client.get("/seed/1", headers={**led, "Sec-Fetch-Dest": "document"}).is_success
    assert client.get("/seed/1", headers={**led, "Sec-Fetch-Dest": "iframe"}).status_code == 403
    assert client.get("/seed/1", headers={**across, "Sec-Fetch-Mode": "no-cors"}).status_code == 403


def test_a_body_is_counted_whatever_it_says_of_its_length(client):
    token = {TOKEN_HEADER: "secret"}
    body = bytes(2**16)
    assert client.post("/small", content=body, headers=token).text == str(2**16)
    assert client.post("/small", content=body + b"a", headers=token).status_code == 413
    unsaid = client.post("/small", content=iter([body, b"a"]), headers=token)
    assert unsaid.status_code == 413 and "0.0625 MiB" in unsaid.json()["error"]
    assert client.post("/large", content=iter([body, b"a"]), headers=token).text == str(2**16 + 1)


def test_errors_are_one_line_of_json(client):
    assert client.get("/seed/13").json() == {"error": "seed 13 brings no luck"}
    assert client.get("/seed/13").status_code == 400
    assert client.get("/seed/a").status_code == 422
    assert "seed" in client.get("/seed/a").json()["error"]
    assert client.get("/no").json() == {"error": "Not Found"}


@pytest.mark.parametrize("path", ["/static/../serve.py", "/static/%2e%2e/serve.py", "/static//etc"])
def test_no_path_leads_out_of_the_static_files(client, path):
    url = client.base_url
    plain = http.client.HTTPConnection(url.host, url.port)  # sends a path as it is
    plain.request("GET", path)
    assert plain.getresponse().status == 404
    plain.close()


def test_a_port_that_is_taken_is_refused_with_the_way_out():
    with listen(LOOPBACK, 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port}: cannot listen there .* --port"):
            listen(LOOPBACK, port)
    with pytest.raises(InputError, match="no.such.host.invalid"):
        listen("no.such.host.invalid", 0)


def test_loopback_is_this_machine_alone():
    assert all(map(is_loopback, ("127.0.0.1", "127.8.0.1", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.7", "12.7.0.1")))


def test_missing_packages_are_named_with_the_way_out(monkeypatch):
    packages.insist_packages()
    monkeypatch.setattr(packages, "NEEDED", ("jinja2", "fastapi_that_is_not_there"))
    with pytest.raises(InputError, match=r"fastapi_that_is_not_there: pip install .*\[apps\]"):
        packages.insist_packages()


PROGRAM = """
from gancmri_jax.apps.serve import serve, web_app
app = web_app()
app.get("/")(lambda: "here")
serve(app, "127.0.0.1", 0, open_browser=False, say=lambda said: print(said, flush=True))
print("closed")
"""


def test_a_server_says_where_it_is_and_ends_cleanly_at_ctrl_c():
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        url = process.stdout.readline().split()[0]
        assert url.startswith("http://127.0.0.1:")
        for _ in range(100):
            try:
                assert urllib.request.urlopen(url).read() == b'"here"'
                break
            except ConnectionError:
                time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "closed\n", "")
