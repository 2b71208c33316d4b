import re

import nibabel
import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

from gancmri_jax.cine.read import read_cines
from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError
from gancmri_jax.model.file import load_model, save_model
from gancmri_jax.physiology import guidance
from gancmri_jax.physiology.guidance import TOLERANCE
from tests.tiny import tiny_model


def synthesize(out, *words):
    options = ["--videos", 1, "--seed", 3, "--frames", 4, "--out", out, *words]
    return CliRunner().invoke(gancmri, ["synthesize", *map(str, options)])


def test_every_format_can_be_asked_for(tmp_path):
    formats = [word for name in ("mp4", "nifti", "dicom") for word in ("--format", name)]
    result = synthesize(tmp_path, *formats, "--spacing-mm", 17.5, 16, "--frame-ms", 25)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"1 hearts of 4 frames in {tmp_path}: mp4, nifti, dicom\n"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"heart-0003-frame-to-frame{end}" for end in (".mp4", ".nii.gz", ".dcm")}
    image = nibabel.load(tmp_path / "heart-0003-frame-to-frame.nii.gz")
    np.testing.assert_allclose(image.header.get_zooms(), (16, 17.5, 8, 25))
    dataset = pydicom.dcmread(tmp_path / "heart-0003-frame-to-frame.dcm")
    assert dataset.PatientID == "heart-0003" and dataset.SyntheticData == "YES"
    stored = np.asarray(image.dataobj)[:, :, 0].transpose(2, 1, 0)
    np.testing.assert_array_equal(dataset.pixel_array, stored)


def test_videos_and_a_sheet_are_the_default(tmp_path):
    assert synthesize(tmp_path).exit_code == 0
    assert {path.suffix for path in tmp_path.iterdir()} == {".mp4", ".gif", ".png"}
    (cine,) = read_cines(tmp_path / "heart-0003-frame-to-frame.mp4")
    assert len(cine.pixels) == 4
    np.testing.assert_allclose(cine.spacing_mm, (1.07278, 1.07278), rtol=1e-3)  # in its comment


def test_a_heart_is_as_large_and_as_fast_as_those_it_was_learned_from(tmp_path):
    assert synthesize(tmp_path, "--format", "nifti").exit_code == 0
    image = nibabel.load(tmp_path / "heart-0003-frame-to-frame.nii.gz")
    zooms = image.header.get_zooms()
    model = load_model("demo")
    np.testing.assert_allclose(zooms, (*model.spacing_mm[::-1], 8, model.frame_ms), rtol=1e-4)
    np.testing.assert_allclose(zooms[:2], 274 / 64, rtol=0.01)  # phantoms, 274 mm in the mean


def test_millimetres_are_not_made_up(tmp_path):
    save_model(tiny_model(), tmp_path / "model.safetensors")
    model = "--model", tmp_path / "model.safetensors"
    result = synthesize(tmp_path / "out", *model, "--format", "nifti", "--format", "dicom")
    assert result.exit_code == 2
    assert "--format nifti and dicom: the pixel spacing of this model is unknown" in result.output
    assert not (tmp_path / "out").exists()


def test_a_prompt_says_what_it_understood_and_moves_hearts(tmp_path, monkeypatch):
    def solve_prompt(model, ws, prompt, motion):
        asked.append(prompt.targets[0].name)
        return guidance.Solution(ws, {"lv_area": 0.5}, {"lv_area_ed_cm2": 38.5}, motion)

    asked = []
    monkeypatch.setattr(guidance, "solve_prompt", solve_prompt)
    result = synthesize(tmp_path / "out", "--prompt", "mildly dilated LV", "--format", "png")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "understood: LV 37 to 40 cm² (mildly dilated lv)"
    assert lines[1] == "heart 3: lv_area_ed_cm2 38.5; moved by lv_area +0.50"
    assert asked == ["lv_area_ed_cm2"]


def test_what_follows_is_said_before_a_prompt_is_refused(tmp_path):
    result = synthesize(tmp_path / "out", "--prompt", "EF 70, thick walls")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("understood: wall 11") and lines[1] == "follows: FAC about 50.5 %"
    assert isinstance(result.exception, InputError)


def test_a_heart_is_made_to_measure(tmp_path):
    result = synthesize(tmp_path / "out", "--target", "lv_area_ed_cm2=26", "--format", "png")
    assert result.exit_code == 0, result.output
    told = re.search(r"heart 3: lv_area_ed_cm2 ([\d.]+); moved by lv_area [+-]", result.stdout)
    assert abs(float(told[1]) / 26 - 1) <= TOLERANCE
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["heart-0003-frame-to-frame.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--target", "lv_area_ed_cm2=999"),
            r"heart 3: lv_area_ed_cm2 = 999 .* measures [\d.]+ to",
        ),
        (("--target", "ef_percent=60"), "ef_percent cannot be a target; what can is lv_"),
        (("--target", "lv_area_ed_cm2"), r"not of the form lv_area_ed_cm2=28"),
        (
            ("--prompt", "hypertrophic, EF 70"),
            r"prompt: wall 11 to 20 mm cannot be reached yet; what can is LV area at ED, sph",
        ),
        (("--prompt", "dilatted LV"), "'dilatted' is not known; did you mean dilated"),
        (("--prompt", "LV 28 cm2", "--target", "lv_area_ed_cm2=28"), "give one of them"),
        (
            ("--prompt", "90 bpm", "--frame-ms", "20"),
            "--frame-ms and a heart rate contradict each other",
        ),
        (("--motion", "zigzag"), "unknown motion zigzag. Motions are frame-to-frame, ed-to-es, "),
        (("--motion", "mean", "--components", "3"), "--components needs --motion pca_residual"),
    ],
)
def test_what_cannot_be_made_is_refused(tmp_path, words, said):
    result = synthesize(tmp_path / "out", *words)
    assert result.exit_code != 0 and not (tmp_path / "out").exists()
    assert re.search(said, result.output if result.exit_code == 2 else str(result.exception))


def test_motions_by_name(tmp_path):
    for words in (("--motion", "spline"), ("--method", "ed-to-es")):
        assert synthesize(tmp_path, *words, "--format", "png").exit_code == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"heart-0003-spline.png", "heart-0003-ed-to-es.png"}
