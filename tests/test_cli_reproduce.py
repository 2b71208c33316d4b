import dataclasses

import pytest
from click.testing import CliRunner

from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError
from gancmri_jax.experiments import reproduce as module
from gancmri_jax.experiments.scale import PAPER, QUICK


def call(*words):
    return CliRunner().invoke(gancmri, ["reproduce", *map(str, words)], catch_exceptions=False)


def test_quick_takes_the_embedded_model_and_few_samples(tmp_path, monkeypatch):
    seen = []

    def reproduce(out, scale, *, model_name, config, seed, tell, on_start):
        seen.append((scale, model_name, seed))
        tell("fit: done")
        return out / "report.md"

    monkeypatch.setattr(module, "reproduce", reproduce)
    result = call("--out", tmp_path, "--quick")
    assert result.exit_code == 0 and "fit: done" in result.output
    assert f"wrote {tmp_path / 'report.md'} and {tmp_path / 'report.html'}" in result.output
    call("--out", tmp_path, "--seed", 3)
    call("--out", tmp_path, "--quick", "--model", "runs/a")
    assert seen == [(QUICK, "demo", 1), (PAPER, None, 3), (QUICK, "runs/a", 1)]


def test_what_takes_hours_can_be_less(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(module, "reproduce", lambda out, scale, **_: seen.append(scale) or out)
    call("--out", tmp_path, "--frames", 5000)
    call("--out", tmp_path, "--quick", "--steps", 9, "--distance", "lpips", "--clips", 4)
    assert call("--out", tmp_path, "--frames", 3).exit_code == 2
    assert seen == [
        dataclasses.replace(PAPER, frames=5000),
        dataclasses.replace(QUICK, projection_steps=9, distance="lpips", clips=4),
    ]


def test_without_a_model_it_needs_a_configuration(tmp_path):
    with pytest.raises(InputError, match="c.py: no such configuration; give dsb256"):
        call("--out", tmp_path / "run", "--config", tmp_path / "c.py")
    assert not (tmp_path / "run").exists()


def test_an_option_that_has_no_effect_is_refused(tmp_path):
    result = call("--out", tmp_path / "run", "--quick", "--config", "ukbb256")
    assert result.exit_code == 2 and "--config has no effect with model demo" in result.output
