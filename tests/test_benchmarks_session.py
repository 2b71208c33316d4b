"""A borrowed accelerator's minutes, rehearsed: what fails is recorded, what is written is small."""

import json
import subprocess
import sys

import numpy as np
import pytest

from gancmri_jax.benchmarks import parity, session
from gancmri_jax.benchmarks.session import Report, Sizes, ready, run_session, split_file
from gancmri_jax.errors import InputError
from gancmri_jax.model.file import load_model, save_model
from gancmri_jax.training.models import save_to_go_on
from gancmri_jax.training.state import init_state
from tests.tiny import tiny_config, tiny_model

CONFIG = dict(inversion_learning_rate=0.002, resolution=16, channel_base=128)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    config = tiny_config(**CONFIG)
    save_to_go_on(init_state(config), config, {}, path)
    return path


def test_a_stage_that_fails_is_recorded_and_the_next_begins(model, tmp_path, monkeypatch):
    def broken():
        raise RuntimeError("no such kernel")

    def stages(folder, config, sizes, report):
        yield "parity", broken
        yield "synthesis", lambda: {"said": "quick", "seconds": 1.0}
        report.seconds = 0  # the time is up
        yield "training", broken
        yield "train", lambda: {"steps": 3}

    monkeypatch.setattr(session, "stages", stages)
    lines = []
    config = tiny_config(**CONFIG)
    found = run_session(tmp_path / "out", str(model), config, 1.0, Sizes(), lines.append)
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == found
    stages = found["stages"]
    assert stages["parity"]["failed"] == "RuntimeError: no such kernel"
    assert "broken" in stages["parity"]["traceback"]
    assert stages["synthesis"]["seconds"] == 1.0 and "left out" in stages["training"]
    assert stages["train"]["steps"] == 3
    assert lines[1] == "synthesis: quick" and "no such kernel" in lines[0]


def test_the_report_is_whole_after_every_stage(tmp_path):
    report = Report(tmp_path, 2.0)
    report.note("device", {"device": "cpu"})
    kept = json.loads((tmp_path / "report.json").read_text())
    assert kept["stages"] == {"device": {"device": "cpu"}} and kept["minutes"] == 2.0
    assert report.seconds == 120 and 0 <= report.elapsed < 60


def test_all_networks_are_trained_from_the_first_step_with_a_warm_up(model):
    config = ready(tiny_config(**CONFIG, inversion_kimg=1.0), str(model))
    assert config.inversion_kimg == 0 and config.init_from == str(model)
    assert config.warmup_kimg == session.WARMUP_STEPS * config.batch_size / 1000


def test_a_model_without_a_discriminator_is_refused_before_anything_is_used(tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(tiny_model(), path)
    with pytest.raises(InputError, match="export --format training"):
        run_session(tmp_path / "out", str(path), tiny_config(), 1.0, Sizes())
    assert not (tmp_path / "out").exists()


def test_parts_are_joined_by_cat(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "PART_BYTES", 10)
    whole = tmp_path / "model.safetensors"
    whole.write_bytes(bytes(range(25)))
    parts = split_file(whole)
    assert [part.name for part in parts] == [f"model.safetensors.part{i}" for i in range(3)]
    assert b"".join(part.read_bytes() for part in parts) == bytes(range(25))
    assert not whole.exists()
    whole.write_bytes(bytes(51))
    with pytest.raises(InputError, match="narrower layers"):
        split_file(whole)


def test_relative_errors_by_hand():
    found, expected = np.array([3.0, 4.0]), np.array([3.0, 0.0])
    assert parity.relative_error(found, expected) == pytest.approx(4 / 3)


@pytest.mark.ahead
def test_a_rehearsal_with_few_packages(model, tmp_path):
    """All of it at 16², in a process that can import what such a machine has, and no more."""
    out, config = tmp_path / "out", tmp_path / "tiny.py"
    config.write_text(
        f"from tests.tiny import tiny_config\nget_config = lambda: tiny_config(**{CONFIG!r})\n"
    )
    words = ["--model", model, "--config", config, "--out", out, "--minutes", "30", "--rounds", "1"]
    words += ["--size", "16", "--channel-base", "128", "--channel-max", "8", "--batch", "4"]
    command = [sys.executable, "-m", "tests.few_packages", "benchmark", "all", *map(str, words)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads((out / "report.json").read_text())["stages"]
    assert not any("failed" in values or "left out" in values for values in found.values()), found
    assert not found["parity"]["wrong"] and found["train"]["steps"] == 40
    assert found["training"]["fraction"] > 0 and found["kernels"]["synthesis"]
    written = sorted(path.name for path in out.iterdir())
    assert written == ["metrics.jsonl", "model.safetensors.part0", "report.json", "samples.png"]
    trained = load_model(_joined(out, tmp_path))
    assert trained.encoder is not None and trained.card["data"].startswith("phantoms")


def _joined(out, folder):
    path = folder / "joined.safetensors"
    path.write_bytes(b"".join(part.read_bytes() for part in sorted(out.glob("*.part*"))))
    return path
