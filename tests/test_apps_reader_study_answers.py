import json
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

from gancmri_jax.apps.reader_study.answers import read_answers, record
from gancmri_jax.apps.reader_study.store import next_screens, open_study, progress
from gancmri_jax.errors import InputError
from tests.readers import make_study, write_gifs, write_niftis


@pytest.fixture(scope="module")
def hearts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hearts")
    write_niftis(folder / "real", 5)
    write_gifs(folder / "fake", 5)
    write_gifs(folder / "other", 5, seed=3)
    return folder


@pytest.fixture(scope="module")
def empty(hearts):
    kinds = {"fake": hearts / "fake", "other": hearts / "other"}
    make_study(hearts / "study.db", hearts / "real", kinds, items=5, repeats=2, readers=2)
    return hearts / "study.db"


@pytest.fixture
def path(empty, tmp_path):
    return pathlib.Path(shutil.copy(empty, tmp_path))


@pytest.fixture
def study(path):
    with open_study(path) as connection:
        yield connection


def kinds_of(connection, screen):
    """What stands at each place."""
    rows = connection.execute(
        "SELECT kind FROM shown JOIN stimulus ON stimulus.id = shown.stimulus "
        "JOIN screen ON screen.id = shown.screen WHERE screen.name = ? ORDER BY place",
        (screen.name,),
    )
    return [kind for (kind,) in rows]


def ranks_of(screen, values=(2, 1, 3)):
    return dict(zip(screen.stimuli, values, strict=True))


def test_an_answer_comes_back_unblinded(study):
    (screen,) = next_screens(study, 1, 1)
    kinds = kinds_of(study, screen)
    record(study, 1, screen.name, screen.stimuli[2], ranks_of(screen), 1234.5)
    (answer,) = read_answers(study)
    assert (answer.reader, answer.position, answer.repeat) == ("reader-1", 0, False)
    assert answer.places == tuple(kinds) and answer.chosen == kinds[2]
    assert answer.ranks == dict(zip(kinds, (2, 1, 3), strict=True))
    assert answer.response_ms == 1234.5 and answer.answered_at.endswith("+00:00")
    assert next_screens(study, 1, 1)[0].name != screen.name
    assert progress(study) == {"reader-1": (1, 7), "reader-2": (0, 7)}


def test_an_answer_may_be_sent_again_but_not_changed(study):
    (screen,) = next_screens(study, 1, 1)
    sent = (1, screen.name, screen.stimuli[0], ranks_of(screen))
    record(study, *sent, 100.0)
    record(study, *sent, 250.0)
    assert [answer.response_ms for answer in read_answers(study)] == [100.0]
    for chosen, ranks in (
        (screen.stimuli[1], ranks_of(screen)),
        (screen.stimuli[0], ranks_of(screen, (1, 2, 3))),
    ):
        with pytest.raises(InputError, match="answered already, and that answer stands"):
            record(study, 1, screen.name, chosen, ranks, 100.0)
    (answer,) = read_answers(study)
    assert list(answer.ranks.values()) == [2, 1, 3]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"chosen": "another"}, "choose the one that is real"),
        ({"ranks": {}}, "another rank, 1 to 3"),
        ({"ranks": (1, 1, 2)}, "another rank, 1 to 3"),
        ({"ranks": (0, 1, 2)}, "another rank, 1 to 3"),
        ({"response_ms": -1.0}, "takes no -1 ms"),
        ({"response_ms": float("nan")}, "takes no nan ms"),
        ({"reader": 2}, "not yours"),
        ({"screen": "another"}, "not yours"),
    ],
)
def test_what_is_incomplete_or_anothers_is_refused(study, change, said):
    (screen,) = next_screens(study, 1, 1)
    sent = {
        "reader": 1,
        "screen": screen.name,
        "chosen": screen.stimuli[0],
        "ranks": (1, 2, 3),
        "response_ms": 5.0,
    } | change
    if sent["ranks"]:
        sent["ranks"] = ranks_of(screen, sent["ranks"])
    with pytest.raises(InputError, match=said):
        record(study, **sent)
    assert read_answers(study) == []


def test_screens_come_in_order(study):
    first, second = next_screens(study, 1, 2)
    with pytest.raises(InputError, match="in the order in which they come"):
        record(study, 1, second.name, second.stimuli[0], ranks_of(second), 5.0)
    record(study, 1, first.name, first.stimuli[0], ranks_of(first), 5.0)
    record(study, 1, second.name, second.stimuli[0], ranks_of(second), 5.0)
    assert len(read_answers(study)) == 2


def test_pairs_are_not_ranked(hearts, tmp_path):
    path = tmp_path / "study.db"
    make_study(path, hearts / "real", {"fake": hearts / "fake"}, kind="pairs")
    with open_study(path) as connection:
        (screen,) = next_screens(connection, 1, 1)
        with pytest.raises(InputError, match="pairs are not ranked"):
            record(connection, 1, screen.name, screen.stimuli[0], ranks_of(screen, (1, 2)), 5.0)
        record(connection, 1, screen.name, screen.stimuli[0], {}, 5.0)
        assert read_answers(connection)[0].ranks == {}


def test_every_answer_waits_for_the_disk(study):
    """2 is FULL: with a write-ahead log, the log is synchronised at every commit."""
    assert study.execute("PRAGMA synchronous").fetchone() == (2,)
    assert study.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_two_processes_do_not_double_an_answer(path):
    with open_study(path) as one, open_study(path) as other:
        (screen,) = next_screens(one, 1, 1)
        for connection in (one, other):
            record(connection, 1, screen.name, screen.stimuli[0], ranks_of(screen), 5.0)
        with pytest.raises(InputError, match="that answer stands"):
            record(other, 1, screen.name, screen.stimuli[1], ranks_of(screen), 5.0)
        assert len(read_answers(one)) == 1


ANSWER_ALL = """
import json, pathlib, sys
from gancmri_jax.apps.reader_study.answers import record
from gancmri_jax.apps.reader_study.store import next_screens, open_study, progress
with open_study(pathlib.Path(sys.argv[1])) as connection:
    for reader in (1, 2):
        while screens := next_screens(connection, reader, 1):
            stimuli = screens[0].stimuli
            ranks = {name: i + 1 for i, name in enumerate(stimuli)}
            record(connection, reader, screens[0].name, stimuli[0], ranks, 5.0)
            print(json.dumps([screens[0].name, stimuli[0]]), flush=True)
    input()
"""


def test_killed_at_once_after_an_answer_it_is_there(path):
    process = subprocess.Popen(
        [sys.executable, "-c", ANSWER_ALL, str(path)], stdout=subprocess.PIPE, text=True
    )
    acknowledged = [json.loads(process.stdout.readline()) for _ in range(5)]
    process.send_signal(signal.SIGKILL)
    acknowledged += [json.loads(line) for line in process.stdout]
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    with open_study(path) as connection:
        kept = connection.execute(
            "SELECT name, chosen FROM answer JOIN screen ON screen.id = answer.screen"
        ).fetchall()
        assert 5 <= len(acknowledged) <= len(kept) <= len(acknowledged) + 1
        assert {tuple(pair) for pair in acknowledged} <= set(kept)
        assert sum(done for done, _ in progress(connection).values()) == len(kept)
