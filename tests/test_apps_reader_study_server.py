import pathlib
import shutil
import threading
import time

import httpx
import numpy as np
import pytest

from gancmri_jax.apps.reader_study.answers import read_answers
from gancmri_jax.apps.reader_study.server import study_app
from gancmri_jax.apps.reader_study.store import open_study
from gancmri_jax.disclaimer import NOT_FOR_DIAGNOSIS
from tests.browser import served
from tests.readers import client, make_study, serving, some_answer, write_gifs, write_niftis


@pytest.fixture(scope="module")
def hearts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hearts")
    write_niftis(folder / "real", 24)
    write_gifs(folder / "fake", 24)
    return folder


@pytest.fixture(scope="module")
def tokens(hearts):
    kinds = {"fake": hearts / "fake"}
    return list(
        make_study(hearts / "study.db", hearts / "real", kinds, items=6, readers=2).values()
    )


@pytest.fixture
def path(hearts, tokens, tmp_path):
    return pathlib.Path(shutil.copy(hearts / "study.db", tmp_path))


@pytest.fixture
def url(path):
    with open_study(path) as connection, served(study_app(connection)) as address:
        yield address


@pytest.fixture
def reader(url, path, tokens):
    with client(url, path, tokens[0]) as opened:
        yield opened


def test_the_page_says_what_it_is_for(reader):
    assert NOT_FOR_DIAGNOSIS in reader.get("/").text


def test_a_reader_goes_through_a_study(reader):
    for done in range(7):
        view = reader.get("/next").json()
        assert (view["done"], view["total"]) == (done, 7)
        pixels = [reader.get(f"/stimulus/{name}").content for name in view["screens"][0]["stimuli"]]
        assert [len(p) for p in pixels] == [view["frames"] * view["size"] ** 2] * 2
        assert pixels[0] != pixels[1]
        assert reader.post("/answer", json=some_answer(view)).json()["done"] == done + 1
    assert reader.get("/next").json()["screens"] == []


def test_no_token_or_another_opens_nothing(url, path, tokens):
    with client(url, path, tokens[0]) as known:
        view = known.get("/next").json()
    for headers in ({}, {"Authorization": "Bearer guessed"}, {"Authorization": tokens[0][:-1]}):
        answer = httpx.get(f"{url}/next", headers=headers)
        assert answer.status_code == 401 and "link is not valid" in answer.json()["error"]
        assert httpx.get(f"{url}/stimulus/{view['screens'][0]['stimuli'][0]}").status_code == 401
    assert httpx.get(url).status_code == 200  # the page alone, which holds nothing


def test_readers_do_not_reach_each_others_screens_and_answers(url, path, tokens, reader):
    with client(url, path, tokens[1]) as other:
        mine, theirs = (who.get("/next").json() for who in (reader, other))
        assert other.post("/answer", json=some_answer(theirs)).status_code == 200
        name = theirs["screens"][0]["stimuli"][0]
        assert reader.get(f"/stimulus/{name}").status_code == 404
        taken = reader.post("/answer", json=some_answer(theirs, 1))
        assert taken.status_code == 400 and "not yours" in taken.json()["error"]
        assert reader.get("/next").json() == mine
    pages = ["answer", "answers", "report", "study.db", "static/../study.db", "openapi.json"]
    stimuli = ["", "..%2f..%2fstudy.db", "' OR '1'='1", f"{name}%00"]
    for way in [*pages, *(f"stimulus/{end}" for end in stimuli)]:
        assert reader.get(f"/{way}").status_code in (404, 405)


def test_only_what_is_in_view_is_sent(reader, path):
    view = reader.get("/next").json()
    with open_study(path) as connection:
        rows = connection.execute(
            "SELECT shown.name FROM shown JOIN screen ON screen.id = screen WHERE reader = 1"
        ).fetchall()
    in_view = {name for screen in view["screens"] for name in screen["stimuli"]}
    sent = {name for (name,) in rows if reader.get(f"/stimulus/{name}").status_code == 200}
    assert sent == in_view and len(in_view) == 4 < len(rows)


def test_a_submission_that_is_not_whole_is_refused(reader):
    whole = some_answer(reader.get("/next").json())
    for broken in (
        {},
        whole | {"ranks": {}},
        whole | {"chosen": "x"},
        whole | {"response_ms": "soon"},
        whole | {"ranks": {name: 1 for name in whole["ranks"]}},
    ):
        answer = reader.post("/answer", json=broken)
        assert answer.status_code in (400, 422) and answer.json()["error"]
    assert reader.post("/answer", content=b"{").status_code == 422
    assert reader.post("/answer", content=b"0" * 2**17).status_code == 413
    assert reader.get("/next").json()["done"] == 0


def test_a_page_of_another_site_cannot_answer(reader):
    sent = some_answer(reader.get("/next").json())
    for headers in (
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"X-Gancmri-Token": "guessed"},
        {"Host": "evil.example"},
    ):
        assert reader.post("/answer", json=sent, headers=headers).status_code in (403, 421)
    assert reader.get("/next").json()["done"] == 0


def test_the_same_answer_again_is_acknowledged_and_another_is_not(reader):
    view = reader.get("/next").json()
    sent = some_answer(view)
    assert reader.post("/answer", json=sent).json()["done"] == 1
    assert reader.post("/answer", json=sent | {"response_ms": 9.0}).json()["done"] == 1
    changed = reader.post("/answer", json=some_answer(view, 1))
    assert changed.status_code == 400 and "that answer stands" in changed.json()["error"]


# Cheating. Whatever a reader's browser receives but for the hearts goes into a classifier, which
# must not be able to tell real from fake; given what the files were, the same one can.


def observe(url, path, token):
    """Go through a study and return all that came with each stimulus, but for its pixels."""
    seen = []
    with client(url, path, token) as reader:
        while screens := (view := (said := reader.get("/next")).json())["screens"]:
            order = sorted(screens[0]["stimuli"])
            for place, name in enumerate(screens[0]["stimuli"]):
                start = time.perf_counter()
                answer = reader.get(f"/stimulus/{name}")
                seconds = time.perf_counter() - start
                seen.append(
                    {
                        "name": name,
                        "place": place,
                        "sorted": order.index(name),
                        "position": view["done"],
                        "seconds": seconds,
                        "text": said.text.find(name),
                        "length": len(answer.content),
                        "headers": answer.headers,
                        "pixels": answer.content,
                        "range": (min(answer.content), max(answer.content)),
                    }
                )
            reader.post("/answer", json=some_answer(view, view["done"] % 2))
    return seen


def features(seen):
    return [
        seen["place"],
        seen["sorted"],
        seen["position"],
        seen["seconds"],
        seen["text"],
        seen["length"],
        len(str(seen["headers"])),
        *seen["name"].encode(),
        *seen["range"],
    ]


def told_apart(table, real):
    """Return the area under the curve of a forest that guesses what it was not trained on."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict

    forest = RandomForestClassifier(100, min_samples_leaf=5, random_state=0)
    guessed = cross_val_predict(forest, table, real, cv=5, method="predict_proba")[:, 1]
    return roc_auc_score(real, guessed)


@pytest.fixture(scope="module")
def cheated(hearts, tmp_path_factory):
    """All that 6 readers have received, and whether it was real."""
    folder = tmp_path_factory.mktemp("cheated")
    path = folder / "study.db"
    kinds = {"fake": hearts / "fake"}
    tokens = make_study(path, hearts / "real", kinds, items=24, repeats=6, readers=6)
    with open_study(path) as connection:
        real = dict(
            connection.execute(
                "SELECT name, kind = 'real' FROM shown JOIN stimulus ON stimulus.id = stimulus"
            )
        )
        with served(study_app(connection)) as url:
            seen = [one for token in tokens.values() for one in observe(url, path, token)]
            page = httpx.get(url).text
    return seen, np.array([real[one["name"]] for one in seen]), page


def test_nothing_but_the_heart_differs(cheated):
    seen, _, page = cheated
    assert {one["length"] for one in seen} == {10 * 40 * 40}
    headers = [{k: v for k, v in one["headers"].items() if k != "date"} for one in seen]
    assert all(one == headers[0] for one in headers)
    assert headers[0]["cache-control"] == "no-store"
    assert not {"etag", "last-modified", "content-disposition", "server"} & headers[0].keys()
    assert {one["range"] for one in seen} == {(0, 255)}
    for pixels in {one["pixels"] for one in seen}:
        assert len({pixels[i : i + 1600] for i in range(0, 16000, 1600)}) == 10
    assert "fake" not in page and "heart0" not in page


def test_names_are_new_for_every_reader_and_place(cheated):
    seen, _, _ = cheated
    names = [one["name"] for one in seen]
    assert len(set(names)) == len(names) == 6 * 30 * 2 and {len(name) for name in names} == {16}
    shown = {one["pixels"] for one in seen}
    assert len(shown) == 48  # the same hearts


def test_what_a_screen_is_said_to_be_says_nothing_more(reader):
    view = reader.get("/next").json()
    assert set(view) == {"kind", "size", "frames", "beat_ms", "done", "total", "screens"}
    assert all(set(screen) == {"name", "stimuli"} for screen in view["screens"])


def test_a_classifier_cannot_cheat(cheated):
    """360 stimuli: an area under the curve has a standard deviation of 0.031; 5 of them."""
    seen, real, _ = cheated
    table = np.array([features(one) for one in seen])
    assert abs(told_apart(table, real) - 0.5) < 0.155
    leaky = np.column_stack([table, np.where(real, 2600, 2500) + np.arange(len(real)) % 7])
    assert told_apart(leaky, real) > 0.99  # as by the lengths of the files that were read


def test_the_first_answer_does_not_help_with_the_next(cheated):
    """What stood left before says nothing of what stands left now."""
    _, real, _ = cheated
    left = real[0::2].reshape(6, 30)
    agreement = (left[:, 1:] == left[:, :-1]).mean()
    assert abs(agreement - 0.5) < 5 * 0.5 / (6 * 29) ** 0.5


# Many readers at once, and a server that is killed.


class Crowd:
    """Readers who answer as people do, one screen after another, until they are told to stop.

    Attributes:
        acknowledged: Screen and choice of every answer that the server said it has.
        seconds: Time each took.
        errors: What went wrong, but for a server that is gone.
    """

    def __init__(self, url, path, tokens, pause_s):
        self.acknowledged, self.seconds, self.errors = [], [], []
        self.stop = threading.Event()
        self.threads = [
            threading.Thread(target=self.read, args=(url, path, token, number, pause_s))
            for number, token in enumerate(tokens)
        ]

    def read(self, url, path, token, number, pause_s):
        with client(url, path, token) as reader:
            try:
                view = reader.get("/next").json()
                while view["screens"] and not self.stop.is_set():
                    for name in view["screens"][0]["stimuli"]:
                        reader.get(f"/stimulus/{name}").raise_for_status()
                    sent = some_answer(view, (number + view["done"]) % 2)
                    self.stop.wait(pause_s)
                    for _ in range(1 + view["done"] % 3 // 2):  # every third sends it twice
                        start = time.perf_counter()
                        answer = reader.post("/answer", json=sent)
                        self.seconds.append(time.perf_counter() - start)
                        answer.raise_for_status()
                        self.acknowledged.append((sent["screen"], sent["chosen"]))
                    view = answer.json()
            except httpx.TransportError:
                pass
            except httpx.HTTPStatusError as error:
                self.errors.append(str(error))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def kept(path):
    with open_study(path) as connection:
        return connection.execute(
            "SELECT name, chosen FROM answer JOIN screen ON screen.id = answer.screen"
        ).fetchall()


@pytest.mark.slow
def test_twenty_readers_at_once(hearts, tmp_path, request):
    """No answer is lost or doubled; with `--readers-seconds 60 -s` a minute, and p95 printed."""
    seconds = request.config.getoption("--readers-seconds")
    path = tmp_path / "study.db"
    pairs = {"kind": "pairs", "items": min(240, int(seconds * 4) + 8), "repeats": 0, "readers": 20}
    tokens = make_study(path, hearts / "real", {"fake": hearts / "fake"}, **pairs)
    with serving(path) as (_, url), Crowd(url, path, tokens.values(), pause_s=0.25) as crowd:
        time.sleep(seconds)
    assert not crowd.errors
    answers = kept(path)
    assert len(answers) == len(set(answers)) > 20
    assert set(answers) == set(crowd.acknowledged)
    with open_study(path) as connection:
        assert len({answer.reader for answer in read_answers(connection)}) == 20
    p50, p95 = np.percentile(crowd.seconds, (50, 95)) * 1000
    print(
        f"\n{len(answers)} answers of 20 readers in {seconds:g} s: {p50:.0f} ms, p95 {p95:.0f} ms"
    )


@pytest.mark.slow
def test_a_server_that_is_killed_has_lost_nothing_it_acknowledged(hearts, tmp_path):
    path = tmp_path / "study.db"
    pairs = {"kind": "pairs", "items": 200, "repeats": 0, "readers": 4}
    tokens = list(make_study(path, hearts / "real", {"fake": hearts / "fake"}, **pairs).values())
    acknowledged = []
    for _ in range(2):
        with serving(path) as (process, url), Crowd(url, path, tokens, pause_s=0.0) as crowd:
            while len(crowd.acknowledged) < 30:
                time.sleep(0.01)
            process.kill()
        assert not crowd.errors
        acknowledged += crowd.acknowledged
        answers = kept(path)
        assert len(answers) == len({screen for screen, _ in answers})
        assert set(acknowledged) <= set(answers)
        assert len(answers) <= len(set(acknowledged)) + len(tokens)
