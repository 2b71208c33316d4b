import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.experiments.journal import Journal


def test_a_stage_is_done_once_and_its_result_stays(tmp_path):
    told, calls = [], []

    def work():
        calls.append(1)
        return {"value": 0.5, "pair": (1, 2)}

    for _ in range(2):
        journal = Journal(tmp_path / "run", {"seed": 1}, told.append)
        result = journal.stage("a", work, lambda r: f"value {r['value']}")
    assert calls == [1] and journal.results == {"a": result}
    assert result["pair"] == [1, 2]  # as a file gives it, the first time too
    assert told == ["a: value 0.5 (0 s)", "a: value 0.5 (done before)"]


def test_another_number_of_samples_is_another_stage(tmp_path):
    for count in (5, 7, 5):
        journal = Journal(tmp_path, {})
        journal.stage("fid", lambda count=count: {"of": count}, str, count)
        assert journal.results["fid"]["of"] == count
    assert sorted(p.name for p in (tmp_path / "stages").iterdir()) == ["fid5.json", "fid7.json"]


def test_a_stage_that_is_refused_is_noted_and_tried_again(tmp_path):
    def refused():
        raise InputError("no weights")

    journal = Journal(tmp_path, {})
    assert not journal.attempt("fid", refused, str)
    assert journal.missing == {"fid": "no weights"} and journal.results == {}
    assert Journal(tmp_path, {}).attempt("fid", lambda: {"value": 1}, str)
    with pytest.raises(InputError, match="no weights"):
        journal.stage("other", refused, str)


def test_a_stage_that_breaks_off_leaves_nothing(tmp_path):
    def broken():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Journal(tmp_path, {}).stage("a", broken, str)
    assert list((tmp_path / "stages").iterdir()) == []


def test_another_run_is_refused(tmp_path):
    Journal(tmp_path, {"seed": 1, "model": "a"})
    with pytest.raises(InputError, match="holds a run with another model and seed"):
        Journal(tmp_path, {"seed": 2, "model": "b"})
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(InputError, match="settings.json: is damaged .* remove it to do that part"):
        Journal(tmp_path, {"seed": 1})


def test_a_number_that_was_changed_since_is_refused(tmp_path):
    Journal(tmp_path, {}).stage("a", lambda: {"value": 0.25}, str)
    path = tmp_path / "stages" / "a.json"
    text = path.read_text()
    path.write_text(text.replace("0.25", "0.35"))
    with pytest.raises(InputError, match="a.json: is damaged .another SHA-256"):
        Journal(tmp_path, {}).stage("a", lambda: {"value": 0.25}, str)
    path.write_text('{"value": 0.35, "seconds": 1}')  # of an earlier version
    assert Journal(tmp_path, {}).stage("a", lambda: {}, str)["value"] == 0.35
