import json

import pytest
from click.testing import CliRunner

from gancmri_jax.benchmarks import run_plan
from gancmri_jax.benchmarks.run_plan import Plan, Stage
from gancmri_jax.cli.main import gancmri, run
from gancmri_jax.experiments import journal
from gancmri_jax.experiments import run as module
from gancmri_jax.experiments.run import RunOptions


def call(*words):
    return CliRunner().invoke(gancmri, ["run", *map(str, words)], catch_exceptions=False)


@pytest.fixture
def seen(monkeypatch):
    """A stand-in for the study; what it was called with."""
    calls = []

    def study(source, out, **options):
        calls.append(options)
        options["tell"]("fit: done")
        return out / "report.html"

    monkeypatch.setattr(module, "run", study)
    monkeypatch.setattr(journal, "read_results", lambda out: {"fit": {"seconds": 1.0}})
    return calls


def test_options_reach_the_study(seen, tmp_path):
    words = ("--input", tmp_path, "--out", tmp_path / "study", "--beats", 3, "--seed", 5)
    result = call(*words, "--config.total_kimg=70", "--slice", 2)
    assert result.exit_code == 0 and "fit: done" in result.stdout
    assert f"wrote {tmp_path / 'study' / 'report.html'}" in result.stdout
    (options,) = seen
    assert options["config"].total_kimg == 70 and options["model"] is None
    assert options["options"] == RunOptions(beats=3, seed=5)
    assert options["preparation"].slice == 2 and options["preparation"].seed == 5
    call(*words, "--model", "demo")
    assert seen[1]["model"] == "demo" and seen[1]["config"] is None
    told = json.loads(call(*words, "--json").stdout)
    assert told["stages"] == {"fit": {"seconds": 1.0}} and told["report"].endswith("report.html")


def test_a_plan_is_lines_or_json(monkeypatch, tmp_path, seen):
    plan = Plan((Stage("records", "12 cines", 0.5), Stage("train", "1 kimg", 150.0)), 61.0, "a CPU")
    monkeypatch.setattr(run_plan, "make_plan", lambda *_, **__: plan)
    words = ("--input", tmp_path, "--out", tmp_path / "study", "--plan")
    said = call(*words).stdout
    assert "train         1 kimg         150 h" in said and "measured in 61 s on a CPU" in said
    told = json.loads(call(*words, "--json").stdout)
    assert told["hours"] == 150.5 and told["stages"][0]["what"] == "12 cines"
    assert not seen and not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--config", "phantom46"], "did you mean phantom64?"),
        (["--config.total_kim=3"], "unknown configuration key total_kim"),
        (["--modle", "demo"], "Did you mean '--model'?"),
        (["--model", "demo", "--config", "ukbb256"], "--config has no effect with model demo"),
        (["--model", "demo", "--config.seed=1"], "--config has no effect with model demo"),
    ],
)
def test_bad_options_are_one_line(words, said, monkeypatch, capsys, tmp_path):
    words = ["run", "--input", str(tmp_path), "--out", str(tmp_path / "study"), *words]
    monkeypatch.setattr("sys.argv", ["gancmri", *words])
    with pytest.raises(SystemExit) as stop:
        run(gancmri)
    errors = capsys.readouterr().err
    assert stop.value.code == 2 and said in errors and errors.count("\n") == 1
    assert not (tmp_path / "study").exists()


def test_a_study_with_other_options_is_refused_in_one_line(monkeypatch, capsys, tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    (study / "settings.json").write_text(json.dumps({"beats": 3}))
    cines = tmp_path / "cines"
    (cines / "a").mkdir(parents=True)
    (cines / "a" / "a.mp4").write_bytes(b"")
    words = ["run", "--input", str(cines), "--out", str(study), "--model", "demo"]
    monkeypatch.setattr("sys.argv", ["gancmri", *words])
    with pytest.raises(SystemExit) as stop:
        run(gancmri)
    errors = capsys.readouterr().err
    assert stop.value.code == 2 and "holds a run with another beats and" in errors
    assert errors.count("\n") == 1
