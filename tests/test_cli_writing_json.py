"""`--json`: one object on standard output and nothing else there, or a file beside the text."""

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner

from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cli.main import VERBS, gancmri
from gancmri_jax.cli.writing import STDOUT, Answer
from gancmri_jax.model.file import save_model
from tests.tiny import tiny_model

WITH_NUMBERS = {
    *("benchmark", "compare-models", "compare-motions", "compare-projections", "compare-superres"),
    *("evaluate", "fit", "guide", "info", "memorisation", "personalise", "prepare", "project"),
    *("run", "runs", "segment", "train-encoder"),
}


def call(*words):
    return CliRunner().invoke(gancmri, list(map(str, words)), catch_exceptions=False)


def test_an_answer_is_text_or_one_object(capsys, tmp_path):
    def answer(report):
        one = Answer(report)
        one.say("r = 0.5")
        one.give({"r": 0.5, "p": [math.nan, (math.inf, 1)]})
        return capsys.readouterr()

    told = {"r": 0.5, "p": [None, [None, 1]]}
    out, err = answer(STDOUT)
    assert json.loads(out) == told and err == "r = 0.5\n"
    assert answer(None) == ("r = 0.5\n", "")
    assert answer(tmp_path / "a.json") == ("r = 0.5\n", "")
    assert json.loads((tmp_path / "a.json").read_text()) == told


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_that_measures_has_it(verb):
    command = gancmri.get_command(None, verb)
    options = [option for option in command.params if "--json" in option.opts]
    assert bool(options) == (verb in WITH_NUMBERS)
    assert all(option.flag_value == "-" for option in options)


def test_a_model_as_json(tmp_path):
    model, report = tmp_path / "a.safetensors", tmp_path / "a.json"
    save_model(tiny_model(), model)
    told = json.loads(call("info", model, "--json").stdout)
    assert told["card"]["note"] == "for tests" and told["num_values"] > 0
    assert "directions: lv_area" in call("info", model, "--json", report).stdout
    assert json.loads(report.read_text()) == told


def test_records_as_json(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "cines").mkdir()
    for i in range(2):
        frames = rng.integers(0, 1000, (3, 12, 12), dtype=np.int16)
        write_nifti(tmp_path / f"cines/p{i}.nii.gz", frames, (1.5, 1.5), 200.0)
    words = ("prepare", "--input", tmp_path / "cines", "--out", tmp_path / "records", "--size", 8)
    result = call(*words, "--workers", 1, "--json")
    told = json.loads(result.stdout)
    assert told["frames"] == {"train": 6} and told["refused"] == []
    assert "train: 2 subjects, 2 videos, 6 frames" in result.stderr
