import dataclasses

import numpy as np
from click.testing import CliRunner

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.records import write_records
from gancmri_jax.cli.main import gancmri
from gancmri_jax.cli.train_encoder import command
from gancmri_jax.errors import InputError
from gancmri_jax.model import file
from gancmri_jax.model.file import load_model, save_model
from gancmri_jax.training import encoder as training
from gancmri_jax.training.encoder import default_config
from tests.tiny import tiny_model
from tests.tiny_encoder import SIZES, tiny_encoder


def test_a_trained_encoder_is_scored_and_left_in_its_model(tmp_path, monkeypatch):
    asked = {}

    def train(model, config, out, frames):
        asked.update(config=config, frames=frames)
        out.mkdir(exist_ok=True)  # where the lock is
        return dataclasses.replace(model, encoder=tiny_encoder(model))

    def generated(model, seed):
        asked["seed"] = seed
        return np.zeros((3, 16, 16), np.uint8)

    monkeypatch.setattr(training, "train_encoder", train)
    monkeypatch.setattr(training, "generated_frames", generated)
    told = {"ssim": 0.75, "psnr_db": 21.0}
    monkeypatch.setattr(training, "score", lambda model, f: told | {"frames": len(f)})
    model = tiny_model()
    monkeypatch.setattr(file, "load_model", lambda _: model)
    cines = [Cine(np.zeros((4, 16, 16), np.uint8), (1.0, 1.0), 20.0, "a")]
    write_records(tmp_path / "records", {"train": cines, "test": cines})
    sizes = [f"--{name.replace('_', '-')}={value}" for name, value in SIZES.items()]
    options = ["--out", f"{tmp_path}/run", "--data", f"{tmp_path}/records", "--steps=7", "--seed=5"]
    result = CliRunner().invoke(
        gancmri, ["train-encoder", *options, *sizes], catch_exceptions=False
    )
    assert result.exit_code == 0
    assert "held back, 3 frames, generated: SSIM 0.750, PSNR 21.0 dB" in result.stdout
    assert "held back, 4 frames, test split: SSIM 0.750" in result.stdout
    assert asked["seed"] == 6 and asked["frames"].shape == (4, 16, 16)
    assert asked["config"].steps == 7 and asked["config"].hidden == SIZES["hidden"]
    monkeypatch.undo()
    left = load_model(tmp_path / "run")
    assert left.fingerprint == model.fingerprint
    assert left.encoder.card["held_back"]["test split"]["ssim"] == 0.75


def test_a_model_whose_images_cannot_be_scored_is_refused_before_training(tmp_path):
    save_model(tiny_model(resolution=8), tmp_path / "tiny.safetensors")
    options = ["--model", f"{tmp_path}/tiny.safetensors", "--out", f"{tmp_path}/run"]
    result = CliRunner().invoke(gancmri, ["train-encoder", *options])
    assert isinstance(result.exception, InputError) and not (tmp_path / "run").exists()
    assert "images of 8×8 pixels are too small for SSIM" in str(result.exception)


def test_options_are_the_configurations():
    defaults = {parameter.name: parameter.default for parameter in command.params}
    config = default_config()
    for name in config:
        if name != "learning_rate":
            assert defaults[name] == config[name], name
