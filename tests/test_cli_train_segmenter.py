import dataclasses

import pytest
from click.testing import CliRunner

from gancmri_jax.cli.main import gancmri
from gancmri_jax.cli.train_segmenter import command
from gancmri_jax.model import file
from gancmri_jax.model.file import load_model
from gancmri_jax.model.segmenter import load_segmenter
from gancmri_jax.physiology import score as physiology_score
from gancmri_jax.physiology.score import Score
from gancmri_jax.segmentation import training
from gancmri_jax.segmentation.training import default_config
from tests.tiny import tiny_model
from tests.tiny_segmenter import tiny_segmenter


def test_a_trained_segmenter_is_scored_and_put_into_a_model(tmp_path, monkeypatch):
    asked = {}

    def train(config, out, start, labelled):
        assert start is labelled is None
        asked["config"] = config
        out.mkdir(exist_ok=True)  # where the lock is
        return tiny_segmenter()

    def score(segmenter, seed):
        asked["seed"] = seed
        return {64: Score(0.9, 4.0, 0.03, 20)}

    monkeypatch.setattr(training, "train_segmenter", train)
    monkeypatch.setattr(physiology_score, "held_back_scores", score)
    model = tiny_model()
    monkeypatch.setattr(file, "load_model", lambda _: model)
    options = ["--widths", "2,2,2,2,2", "--steps", "7", "--seed", "5", "--into", "demo"]
    result = CliRunner().invoke(
        gancmri, ["train-segmenter", "--out", f"{tmp_path}/run", *options], catch_exceptions=False
    )
    assert result.exit_code == 0
    assert "held back, 64×64: LV Dice 0.900, LV area error 4.0 %" in result.stdout
    assert asked["seed"] == 6  # hearts of the next seed
    assert asked["config"].filters == (2, 2, 2, 2, 2) and asked["config"].steps == 7
    segmenter = load_segmenter(tmp_path / "run")
    assert segmenter.card["held_back"]["64"]["lv_dice"] == 0.9
    monkeypatch.undo()
    put_in = load_model(tmp_path / "run")
    assert put_in.segmenter.fingerprint == segmenter.fingerprint
    assert dataclasses.replace(put_in, segmenter=None).fingerprint == model.fingerprint


def test_options_are_what_the_embedded_one_was_trained_with():
    defaults = {parameter.name: parameter for parameter in command.params}
    config = default_config()
    for name in config:
        if name == "learning_rate":
            continue
        default = defaults[name].type_cast_value(None, defaults[name].default)
        assert default == config[name], name


@pytest.mark.parametrize("widths", ["8,16", "a,b,c,d,e", "1,2,3,4,0"])
def test_widths_are_five_numbers(widths, tmp_path):
    result = CliRunner().invoke(command, ["--out", f"{tmp_path}/run", "--widths", widths])
    assert result.exit_code == 2 and "five positive whole numbers" in result.output
