import dataclasses

import numpy as np
import pytest
from click.testing import CliRunner

from gancmri_jax.cine.nifti import write_nifti
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
from tests.tiny_segmenter import bright_segmenter, tiny_segmenter


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


@pytest.fixture
def bright(monkeypatch):
    """What is fine-tuned: a segmenter that finds what is bright, in a window of 32 pixels."""
    segmenter = dataclasses.replace(bright_segmenter(), side=32)
    monkeypatch.setattr(file, "load_segmenter_of", lambda _: segmenter)
    monkeypatch.setattr(physiology_score, "held_back_scores", lambda *_: {})
    return segmenter


def labelled_study(study):
    """Four subjects whose LV is a bright square of 20 mm; one has no mask."""
    pixels = np.zeros((4, 32, 32), np.int16)
    pixels[:, 6:26, 6:26] = 300
    pixels[:, 10:20, 10:20] = 900
    for name in "abcd":
        folder = study / name
        folder.mkdir(parents=True)
        write_nifti(folder / "la_4ch.nii.gz", pixels + ord(name), (2.0, 2.0), 30.0)
        labels = ((pixels == 900) + 2 * (pixels == 300)).astype(np.uint8)
        if name != "d":
            write_nifti(folder / "la_4ch_mask.nii.gz", labels, (2.0, 2.0), 30.0)


def test_a_lab_s_cines_are_split_trained_on_and_scored(bright, tmp_path, monkeypatch):
    asked = {}

    def train(config, out, start, labelled):
        asked.update(config=config, start=start, labelled=labelled)
        out.mkdir(exist_ok=True)  # where the lock is
        return dataclasses.replace(tiny_segmenter(), side=32)

    monkeypatch.setattr(training, "train_segmenter", train)
    labelled_study(tmp_path / "study")
    options = ["--from", "demo", "--data", f"{tmp_path}/study", "--held-out", "0.4"]
    result = CliRunner().invoke(
        gancmri, ["train-segmenter", "--out", f"{tmp_path}/run", *options], catch_exceptions=False
    )
    assert result.exit_code == 0 and "d: has no mask in" in result.stderr
    assert "8 labelled frames of 2 subjects, 1 subjects held out" in result.stdout
    config = asked["config"]
    assert asked["start"] is bright and config.start == bright.fingerprint
    assert (config.size, config.steps, config.data_share) == (32, 1000, 0.5)
    assert asked["labelled"].images.shape == (8, 1, 256, 256)
    assert "held out, before: LV: Dice mean 1.000" in result.stdout
    card = load_segmenter(tmp_path / "run").card["held_out"]
    assert card["subjects"] == 1 and card["LV"]["dice_before"] > 0.9
    assert card["LV"]["dice_after"] < card["LV"]["dice_before"]  # random numbers find nothing


def test_what_cannot_be_fine_tuned_is_refused_before_a_run_begins(bright, tmp_path):
    def refused(*options):
        arguments = ["train-segmenter", "--out", f"{tmp_path}/run", *options]
        result = CliRunner().invoke(gancmri, arguments)
        assert result.exit_code and not (tmp_path / "run").exists()
        return result.output + str(result.exception)

    assert "--data needs --from" in refused("--data", f"{tmp_path}/study")
    start = ["--from", "demo"]
    assert "--widths 2,2,2,2,2 differs from demo" in refused(*start, "--widths", "2,2,2,2,2")
    assert "no such folder, to read masks from" in refused(*start, "--data", f"{tmp_path}/none")
    few = [*start, "--data", f"{tmp_path}/none", "--data-share", "0.01"]
    assert "leaves no labelled frame in a batch" in refused(*few)


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
