import dataclasses
import json
import re
import threading

import httpx
import numpy as np
import pytest

from gancmri_jax.apps.explorer import choice as explorer_choice
from gancmri_jax.apps.explorer.app import chosen, explorer_app
from gancmri_jax.apps.explorer.choice import Choice
from gancmri_jax.apps.guard import TOKEN_HEADER
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.disclaimer import NOT_FOR_DIAGNOSIS
from gancmri_jax.errors import InputError
from gancmri_jax.model.motion import LearnedMotion
from tests.browser import served
from tests.tiny import tiny_model

TURN = "asker=me&number=1"


@pytest.fixture(scope="module")
def model():
    return dataclasses.replace(tiny_model(), card={"spacing_mm": [2.5, 2.0]})


@pytest.fixture(scope="module")
def client(model):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explorer_choice, "PROJECTION_STEPS", 2)
        app = explorer_app(model, "tiny </script>", most_upload_bytes=2**16)
        with served(app) as url, httpx.Client(base_url=url, timeout=60) as opened:
            yield opened
        app.state.close()


def token_of(client):
    return re.search(r'name="token" content="([^"]+)"', client.get("/").text)[1]


def test_the_page_says_what_the_model_knows_and_escapes_it(client):
    text = client.get("/").text
    assert NOT_FOR_DIAGNOSIS in text
    about = re.search(r'<script type="application/json" id="about">(.*?)</script>', text)[1]
    known = json.loads(about)
    assert known["model"] == "tiny </script>" and "</script>" not in about
    assert known["directions"] == ["lv_area"] and not known["segmenter"]
    assert list(known["motions"])[:2] == ["frame-to-frame", "ed-to-es"]
    assert not re.search(r'(src|href)="(?!/)', text)  # nothing from elsewhere


def test_every_file_that_a_page_or_a_script_names_is_served(client):
    todo, seen = ["/"], set()
    while todo:
        path = todo.pop()
        answer = client.get(path)
        assert answer.is_success, path
        seen.add(path)
        found = re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text)
        found += [f"/static/{name}" for name in re.findall(r'from "\./([^"]+)"', answer.text)]
        todo += [path for path in found if path not in seen]
    assert "/static/player.js" in seen and "/static/theme.css" in seen
    assert client.get("/static/player.js").headers["Content-Type"].startswith("text/javascript")


def test_frames_come_as_bytes_with_their_shape(client):
    answer = client.get(f"/film?motion=ed-to-es&seed=3&adjust=lv_area=1.5&{TURN}")
    assert answer.headers["X-Shape"] == "50,16,16" and answer.headers["X-Frame-Ms"] == "20"
    film = np.frombuffer(answer.content, np.uint8).reshape(50, 16, 16)
    first = client.get(f"/frame?motion=ed-to-es&seed=3&adjust=lv_area=1.5&phase=0.14&{TURN}")
    assert first.headers["X-Shape"] == "1,16,16"
    np.testing.assert_array_equal(film[7].tobytes(), first.content)
    other = client.get(f"/film?motion=ed-to-es&seed=3&adjust=lv_area=1.6&{TURN}")
    assert other.content != answer.content


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("motion=backwards", 400, "none of the model's"),
        ("motion=ed-to-es&adjust=rv_area=1", 400, "no rv_area"),
        ("motion=ed-to-es&adjust=lv_area=nan", 400, "'lv_area=nan' is not of the form"),
        ("motion=ed-to-es&adjust=lv_area=1e9", 400, "of at most 10"),
        ("motion=ed-to-es&adjust=lv_area", 400, "'lv_area' is not of the form"),
        ("motion=ed-to-es&seed=-1", 422, "query seed"),
        ("motion=ed-to-es&truncation=nan", 422, "query truncation"),
        ("", 422, "query motion"),
        ("motion=ed-to-es&phase=2", 422, "query phase"),
        ("motion=original&cine=../../etc/passwd", 400, "not loaded any more"),
    ],
)
def test_what_cannot_be_shown_is_one_line(client, query, status, said):
    answer = client.get(f"/frame?phase=0&{query}&{TURN}")
    assert answer.status_code == status and said in answer.json()["error"]


def test_an_amount_of_nothing_is_no_other_heart():
    assert chosen("ed-to-es", 1, 0.5, ["lv_area=0"]) == Choice("ed-to-es", 1, 0.5)
    assert chosen("x2", 1, 0.5, ["a=b=2"], "c") == Choice("x2", amounts=(("a=b", 2.0),), cine="c")


def test_a_request_that_was_overtaken_is_dropped(client):
    client.get("/frame?motion=ed-to-es&phase=0&asker=she&number=5")
    late = client.get("/film?motion=ed-to-es&seed=77&asker=she&number=4")
    assert (late.status_code, late.json()) == (409, {"error": "superseded"})


def test_downloads_and_commands(client):
    answer = client.get("/download/gif?motion=ed-to-es&seed=5")
    assert answer.content.startswith(b"GIF89a")
    assert 'filename="heart-0005-ed-to-es.gif"' in answer.headers["Content-Disposition"]
    said = client.get("/download/exe?motion=ed-to-es")
    assert said.status_code == 400 and "none of mp4, gif" in said.json()["error"]
    line = client.get("/command?motion=ed-to-es&seed=5&truncation=0.7").json()["command"]
    assert line.startswith("gancmri synthesize --model 'tiny </script>' --motion ed-to-es")
    assert client.get("/curve?motion=ed-to-es&asker=me&number=1").status_code == 400


@pytest.mark.slow
def test_a_cine_is_taken_followed_and_shown(client, tmp_path):
    path = tmp_path / "cine.nii.gz"
    frames = np.random.default_rng(0).integers(0, 255, (4, 16, 16), dtype=np.uint8)
    write_nifti(path, frames, (2.0, 1.0), 40.0)
    token = {TOKEN_HEADER: token_of(client)}
    post = {"content": path.read_bytes(), "headers": token}
    assert client.post("/cines?name=a.nii.gz", content=post["content"]).status_code == 403
    (name,) = client.post("/cines?name=..%2F..%2Fa.nii.gz", **post).json()["cines"]
    while (said := client.get(f"/cines/{name}").json())["state"] not in ("projected", "failed"):
        threading.Event().wait(0.1)
    assert said == {
        "frames": 4, "state": "projected", "share": 1.0, "error": "", "spacing": True
    }  # fmt: skip
    original = client.get(f"/film?motion=original&cine={name}&{TURN}")
    assert original.headers["X-Shape"] == "4,16,16" and original.headers["X-Frame-Ms"] == "40"
    faster = client.get(f"/film?motion=x4&cine={name}&{TURN}")
    assert faster.headers["X-Shape"] == "16,16,16" and faster.headers["X-Frame-Ms"] == "10"
    assert client.get("/cines/unknown").status_code == 400


def test_uploads_that_are_none_are_refused(client):
    token = {TOKEN_HEADER: token_of(client)}
    wrong = client.post("/cines?name=a.exe", content=b"MZ", headers=token)
    assert wrong.status_code == 400 and wrong.json()["error"].startswith("a.exe: takes .nii.gz")
    large = client.post("/cines?name=a.zip", content=bytes(2**16 + 1), headers=token)
    assert large.status_code == 413 and "0.0625 MiB" in large.json()["error"]
    long = client.post(f"/cines?name={'a' * 500}.zip", content=b"PK", headers=token)
    assert long.status_code == 400 and len(long.json()["error"]) < 300


def test_a_model_without_motion_or_in_colour_has_no_explorer(model):
    with pytest.raises(InputError, match="no motion"):
        explorer_app(dataclasses.replace(model, motion=LearnedMotion()), "still")
