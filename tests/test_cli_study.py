import asyncio
import re
import signal

import httpx
import numpy as np
import pytest
from click.testing import CliRunner

from gancmri_jax.apps.reader_study.store import open_study, read_study, reader_of
from gancmri_jax.cine.video_file import write_mp4
from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError
from tests.readers import client, heart, serving, some_answer, write_gifs, write_niftis


def run(*arguments):
    return CliRunner().invoke(gancmri, ["study", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture(scope="module")
def hearts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hearts")
    write_niftis(folder / "real", 4)
    write_gifs(folder / "fake", 4)
    return folder


def create(hearts, path, *options):
    folders = ("--real", hearts / "real", "--synthetic", f"fake={hearts / 'fake'}")
    return run("create", *folders, "--items", 3, "--repeats", 1, "--out", path, *options)


def test_a_study_from_its_making_to_its_report(hearts, tmp_path):
    path = tmp_path / "study.db"
    made = create(hearts, path, "--readers", 2)
    assert made.exit_code == 0 and made.stdout.startswith("3 items of 2 videos of 10 frames, 40x40")
    tokens = re.findall(r"reader-\d: ADDRESS#(\S{22})\n", made.stdout)
    assert len(set(tokens)) == 2

    invited = run("invite", "--study", path, "--add", "dr-x", "--renew", "reader-2").stdout
    names = dict(re.findall(r"  (\S+): ADDRESS#(\S{22})\n", invited))
    assert list(names) == ["dr-x", "reader-2"]

    with serving(path) as (process, url):
        assert httpx.get(url).status_code == 200
        for token, status in ((tokens[0], 200), (tokens[1], 401), (names["reader-2"], 200)):
            with client(url, path, token) as reader:
                assert reader.get("/next").status_code == status
        with client(url, path, tokens[0]) as reader:
            for _ in range(4):
                reader.post("/answer", json=some_answer(reader.get("/next").json()))
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert not path.with_name("study.db-wal").exists()  # one file again, to be copied

    told = run("report", "--study", path, "--out", tmp_path / "report").stdout
    assert re.match(r"reader-1: fooled 0\.\d\d|reader-1: fooled 1\.00", told)
    assert {p.name for p in (tmp_path / "report").iterdir()} == {
        "report.md", "report.html", "report.json", "answers.csv",
        "fooled.png", "ranks.png", "response_times.png",
    }  # fmt: skip


def test_a_seed_is_drawn_where_none_is_given(hearts, tmp_path):
    seeds = []
    for name in ("a.db", "b.db"):
        create(hearts, tmp_path / name)
        with open_study(tmp_path / name) as connection:
            seeds.append(read_study(connection).seed)
    assert seeds[0] != seeds[1]


def test_who_has_no_token_is_served_on_this_machine_alone(hearts, tmp_path):
    path = tmp_path / "study.db"
    assert f"gancmri study serve --study {path}" in create(hearts, path).stdout
    with pytest.raises(InputError, match="has a reader without a token") as refused:
        run("serve", "--study", path, "--host", "0.0.0.0")
    way_out = re.search("`gancmri study (.*)`", str(refused.value))[1]
    assert "local: ADDRESS#" in run(*way_out.split()).stdout
    with open_study(path) as connection:
        assert reader_of(connection, "") is None


def test_a_study_goes_by_the_name_of_its_host(hearts, tmp_path, monkeypatch):
    path = tmp_path / "study.db"
    create(hearts, path, "--readers", 1)
    answers = []

    async def visit(app):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as browser:
            for name in ("myhost:8008", "heart.example", "other"):
                answers.append((await browser.get(f"http://{name}/")).status_code)

    monkeypatch.setattr(
        "gancmri_jax.apps.serve.serve", lambda app, *_, **__: asyncio.run(visit(app))
    )
    run("serve", "--study", path, "--host", "MyHost", "--name", "heart.example")
    assert answers == [200, 200, 421]


def test_what_compression_may_tell_is_said(hearts, tmp_path):
    assert "come from compressed videos" not in create(hearts, tmp_path / "a.db").stderr
    rng = np.random.default_rng(5)
    for i in range(3):
        path = tmp_path / "mp4" / f"fake{i}.mp4"
        path.parent.mkdir(exist_ok=True)
        write_mp4(path, heart(rng, 10, 32, 32).astype(np.uint8), 20.0)
    lossy = create(hearts, tmp_path / "b.db", "--synthetic", f"lossy={tmp_path / 'mp4'}")
    assert "note: lossy come from compressed videos and the others do not" in lossy.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "--real", ".", "--synthetic", "x"), "not of the form"),
        (("create", "--real", ".", "--synthetic", "a b=."), "not of the form"),
        (("create", "--real", ".", "--synthetic", "x=.", "--synthetic", "x=."), "x is given twice"),
        (("invite",), "give --add NAME or --renew NAME"),
        (("invite", "--add", "a|b"), "only letters, digits"),
    ],
)
def test_options_that_cannot_be(arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2 and said in result.stderr


def test_a_study_that_is_not_there():
    for verb in ("serve", "report"):
        with pytest.raises(InputError, match="no such file; `gancmri study create`"):
            run(verb, "--study", "nowhere.db")
