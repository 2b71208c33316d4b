import json
import pathlib
import shutil
import sqlite3

import pytest
from click.testing import CliRunner

from gancmri_jax.apps.reader_study import server as server_module
from gancmri_jax.apps.reader_study.answers import read_all
from gancmri_jax.apps.reader_study.report import write_report
from gancmri_jax.apps.reader_study.server import study_app
from gancmri_jax.apps.reader_study.store import damage, open_study
from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError
from tests.browser import served
from tests.readers import client, make_study, some_answer, write_gifs, write_niftis


@pytest.fixture(scope="module")
def hearts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hearts")
    write_niftis(folder / "real", 4)
    write_gifs(folder / "fake", 4)
    return folder


@pytest.fixture(scope="module")
def answered(hearts):
    """A study whose one reader has answered all five screens."""
    path = hearts / "study.db"
    (token,) = make_study(path, hearts / "real", {"fake": hearts / "fake"}).values()
    with open_study(path) as connection, served(study_app(connection)) as url:
        with client(url, path, token) as reader:
            while (view := reader.get("/next").json())["screens"]:
                assert reader.post("/answer", json=some_answer(view)).is_success
    return path


@pytest.fixture
def path(answered, tmp_path):
    return pathlib.Path(shutil.copy(answered, tmp_path))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("chosen = 'x'", "chose what was not shown"),
        ("ranks = '[1, 3]'", "the ranks are none"),
        ("ranks = '[1, '", "screen 2: "),
        ("ranks = '[]'", "ranks of another kind"),
        ("response_ms = -1.0", "the response time is none"),
        ("response_ms = 'soon'", "the response time is none"),
        ("answered_at = '2026-13-01'", "screen 2: "),
        ("answered_at = CAST(x'ff41' AS TEXT)", "screen 2: "),
    ],
)
def test_a_garbled_row_is_named_and_left_out(path, tmp_path, change, said):
    with open_study(path) as connection:
        connection.execute(
            f"UPDATE answer SET {change} WHERE screen = (SELECT id FROM screen WHERE position = 1)"
        )
        answers, (garbled,) = read_all(connection)
    assert len(answers) == 4 and 1 not in {answer.position for answer in answers}
    assert garbled.startswith("reader-1, screen 2: ") and said in garbled
    assert write_report(path, tmp_path / "out")[0] == f"warning: left out: {garbled}"
    told = json.loads((tmp_path / "out/report.json").read_text())
    assert told["garbled"] == [f"left out: {garbled}"]
    assert "## Garbled rows" in (tmp_path / "out/report.md").read_text()


def test_a_sound_study_has_no_garbled_rows(path, tmp_path):
    with open_study(path) as connection:
        assert damage(connection) == [] and read_all(connection)[1] == []
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute(
            "UPDATE answer SET screen = 999 WHERE screen = (SELECT max(screen) FROM answer)"
        )
        assert read_all(connection)[1] == ["1 answers to screens that nobody was shown"]
    assert "## Blinding" in (write_report(path, tmp_path) and (tmp_path / "report.md").read_text())


def overwrite(path, offset, content):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def test_a_damaged_file_is_not_served_and_what_can_be_read_is_reported(path, tmp_path):
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'answer'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    # Where the cells of the table's page lie, as its header says: into the void.
    overwrite(path, (page - 1) * size + 8, b"\xff\xff")
    served_by = CliRunner().invoke(gancmri, ["study", "serve", "--study", str(path)])
    assert isinstance(served_by.exception, InputError)
    assert f"{path}: is damaged (" in str(served_by.exception)
    lines = write_report(path, tmp_path / "out")
    assert lines[0].startswith("warning: the file is damaged: ")
    assert "Garbled rows" in (tmp_path / "out/report.html").read_text()
    overwrite(path, size, b"\0" * (path.stat().st_size - size))
    with pytest.raises(InputError, match="damaged"):
        write_report(path, tmp_path / "out")


def test_a_description_that_is_garbled_is_one_line(path):
    for value in ("{", "{}", "[]", '{"synthetic": 1}'):
        with open_study(path) as connection:
            connection.execute("UPDATE study SET value = ? WHERE key = 'study'", (value,))
        with pytest.raises(InputError, match="description is garbled"):
            write_report(path, path.parent / "out")


@pytest.mark.parametrize(
    ("code", "said"),
    [(sqlite3.SQLITE_FULL, "because its disk is full"), (sqlite3.SQLITE_IOERR, "its file fails")],
)
def test_an_answer_that_cannot_be_kept_is_refused_with_the_reason(
    hearts, tmp_path, monkeypatch, code, said
):
    path = tmp_path / "study.db"
    (token,) = make_study(path, hearts / "real", {"fake": hearts / "fake"}).values()

    def fail(*_):
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = code
        raise error

    with (
        open_study(path) as connection,
        served(study_app(connection)) as url,
        client(url, path, token) as reader,
    ):
        view = reader.get("/next").json()
        with monkeypatch.context() as patch:
            patch.setattr(server_module, "record", fail)
            answer = reader.post("/answer", json=some_answer(view))
        assert answer.status_code == 503 and answer.headers["X-Frame-Options"] == "DENY"
        error = answer.json()["error"]
        assert error.startswith("the server stored nothing, because") and said in error
        assert reader.post("/answer", json=some_answer(view)).json()["done"] == 1
