import json

import numpy as np
from click.testing import CliRunner
from PIL import Image

from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError
from gancmri_jax.model import file
from gancmri_jax.physiology import guidance_report
from tests.test_physiology_guidance_report import Hearts


def guide(monkeypatch, *words):
    monkeypatch.setattr(file, "load_model", lambda name: Hearts())
    # Its hearts are ellipses, which have neither atria nor a right ventricle.
    asked = ["guide", "--hearts", "3", "--keep-flagged", *map(str, words)]
    return CliRunner().invoke(gancmri, asked)


def test_numbers_and_pictures_are_written(monkeypatch, tmp_path):
    report, out = tmp_path / "new" / "guide.json", tmp_path / "drawn"
    result = guide(monkeypatch, "--json", report, "--out", out)
    assert result.exit_code == 0, result.output
    found = json.loads(report.read_text())
    assert set(found) == {"lv_area", "sphericity_index"}
    for said in found.values():
        assert said["pearson_r"] > 0.95 and said["monotonicity"] > 0.8 and said["p_value"] < 1e-6
        assert said["ci95"][0] <= said["pearson_r"] <= said["ci95"][1]
        assert set(said["cross_talk"]) == {"lv_area_ed_cm2", "sphericity_index"}
    assert f"lv_area: r {found['lv_area']['pearson_r']:.3f} (95 %" in result.output
    for name in ("guidance.png", "cross-talk.png"):
        assert np.asarray(Image.open(out / name)).std() > 10
    assert sorted(path.name for path in out.iterdir()) == ["cross-talk.png", "guidance.png"]


def test_one_direction_can_be_asked_for(monkeypatch, tmp_path):
    result = guide(monkeypatch, "--phenotype", "lv_area", "--out", tmp_path)
    assert result.exit_code == 0 and "sphericity_index: r" not in result.output


def test_what_is_not_measured_is_refused(monkeypatch):
    result = guide(monkeypatch, "--phenotype", "ef")
    assert isinstance(result.exception, InputError)
    assert "phenotype ef is not measured" in str(result.exception)


def test_a_place_that_cannot_be_written_is_told_before_measuring(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    result = guide(monkeypatch, "--json", tmp_path / "file" / "guide.json")
    assert isinstance(result.exception, InputError) and "file" in str(result.exception)


def test_flagged_hearts_are_left_out_and_listed(monkeypatch, tmp_path):
    monkeypatch.setattr(file, "load_model", lambda name: Hearts())
    flags = iter(["", "missing;neighbours", ""])
    monkeypatch.setattr(guidance_report, "flags_at_ed", lambda model, ws: next(flags))
    report = tmp_path / "guide.json"
    asked = ["guide", "--hearts", "3", "--phenotype", "lv_area", "--json", str(report)]
    result = CliRunner().invoke(gancmri, asked)
    assert result.exit_code == 0, result.output
    assert "left out, flagged: 1 of 3 hearts: seed 1 (missing;neighbours)" in result.output
    said = json.loads(report.read_text())["lv_area"]
    assert said["hearts"] == 2 and said["first_seed"] == 0
    assert said["flagged_left_out"] == {"1": "missing;neighbours"}


def test_hearts_that_are_all_flagged_are_refused(monkeypatch):
    monkeypatch.setattr(file, "load_model", lambda name: Hearts())
    result = CliRunner().invoke(gancmri, ["guide", "--hearts", "2"])
    assert isinstance(result.exception, InputError)
    assert "the segmentation of all 2 hearts is flagged (missing)" in str(result.exception)
