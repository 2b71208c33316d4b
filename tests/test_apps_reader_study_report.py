import csv
import json
import re

import pytest
from PIL import Image

from gancmri_jax.apps.reader_study.answers import record
from gancmri_jax.apps.reader_study.report import write_report
from gancmri_jax.apps.reader_study.store import next_screens, open_study, read_study
from gancmri_jax.errors import InputError
from tests.readers import make_study, write_gifs, write_niftis


def answer_all(path, reader, choose, leave=0):
    """Answer as `choose` says: it is told the kinds at the places, and returns a place."""
    with open_study(path) as connection:
        kinds = dict(
            connection.execute(
                "SELECT name, kind FROM shown JOIN stimulus ON stimulus.id = shown.stimulus"
            )
        )
        ranked = read_study(connection).kind == "videos"
        screens = next_screens(connection, reader, 1000)
        for screen in screens[: len(screens) - leave]:
            place = choose([kinds[name] for name in screen.stimuli])
            order = [screen.stimuli[place], *screen.stimuli[:place], *screen.stimuli[place + 1 :]]
            ranks = {name: i + 1 for i, name in enumerate(order)} if ranked else {}
            record(connection, reader, screen.name, order[0], ranks, 2000.0)


@pytest.fixture(scope="module")
def hearts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hearts")
    write_niftis(folder / "real", 6)
    write_gifs(folder / "fake", 6)
    write_gifs(folder / "other", 6, seed=3)
    return folder


def test_a_report_of_videos(hearts, tmp_path):
    path, out = tmp_path / "study.db", tmp_path / "report"
    kinds = {"fake": hearts / "fake", "other": hearts / "other"}
    make_study(path, hearts / "real", kinds, items=6, repeats=2, readers=2)
    answer_all(path, 1, lambda kinds: kinds.index("real"))
    answer_all(path, 2, lambda kinds: kinds.index("fake"), leave=1)
    lines = write_report(path, out)
    assert lines[0] == "reader-1: fooled 0.00 (0.000–0.459), 0 of 6"

    told = json.loads((out / "report.json").read_text())
    assert told["study"]["kinds"] == ["real", "fake", "other"]
    assert told["answered"] == {"reader-1": [8, 8], "reader-2": [7, 8]}
    assert told["choices"]["reader-1"]["accuracy"]["rate"] == 1
    assert told["choices"]["reader-2"]["taken_for_real"]["fake"]["rate"] == 1
    assert told["intra_reader"]["reader-1"]["kappa"] is None  # nothing but the same answer
    assert told["intra_reader"]["reader-1"]["same_choice"] == 1
    assert "page_token" not in json.dumps(told)

    with (out / "answers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 15 and {row["right"] for row in rows if row["reader"] == "reader-1"} == {
        "1"
    }
    assert all(
        sorted(row[f"rank_{k}"] for k in told["study"]["kinds"]) == ["1", "2", "3"] for row in rows
    )
    assert all(row["places"].split()[0] in told["study"]["kinds"] for row in rows)

    text = (out / "report.md").read_text()
    assert "Not complete: reader-2 (7 of 8)." in text and "Friedman" in text
    plots = re.findall(r"!\[.+\]\((\S+)\)", text)
    assert plots == ["fooled.png", "ranks.png", "response_times.png"]
    for plot in plots:
        with Image.open(out / plot) as image:
            assert image.width > 400 and len(image.convert("L").getcolors()) > 20
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3 and "http" not in page


def test_a_report_of_pairs_has_no_ranks(hearts, tmp_path):
    path, out = tmp_path / "study.db", tmp_path / "report"
    make_study(path, hearts / "real", {"a|b": hearts / "fake"}, kind="pairs", items=10)
    answer_all(path, 1, lambda kinds: kinds.index("a|b"))
    assert write_report(path, out) == ["reader-1: fooled 1.00 (0.692–1.000), 10 of 10"]
    assert not (out / "ranks.png").exists()
    text = (out / "report.md").read_text()
    assert "Ranks" not in text and "| p | a\\|b |\n" in text
    assert "rank_real" not in (out / "answers.csv").read_text()


def test_a_report_without_answers_is_refused(hearts, tmp_path):
    path = tmp_path / "study.db"
    make_study(path, hearts / "real", {"fake": hearts / "fake"})
    with pytest.raises(InputError, match="nobody has answered yet"):
        write_report(path, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_report_can_be_made_while_readers_are_at_work(hearts, tmp_path):
    path = tmp_path / "study.db"
    make_study(path, hearts / "real", {"fake": hearts / "fake"}, items=4, repeats=0)
    with open_study(path):
        answer_all(path, 1, lambda kinds: 0, leave=3)
        assert write_report(path, tmp_path / "report")[0].endswith("of 1")
        answer_all(path, 1, lambda kinds: 0)
        assert write_report(path, tmp_path / "report")[0].endswith("of 4")
