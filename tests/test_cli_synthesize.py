import math

import nibabel
import numpy as np
import pydicom
from click.testing import CliRunner

from gancmri_jax.cine.read import read_cines
from gancmri_jax.cli.main import gancmri


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
    assert len(cine.pixels) == 4 and math.isnan(cine.spacing_mm[0])


def test_millimetres_are_not_made_up(tmp_path):
    result = synthesize(tmp_path / "out", "--format", "nifti", "--format", "dicom")
    assert result.exit_code == 2
    assert "--format nifti and dicom needs the distance between pixels" in result.output
    assert not (tmp_path / "out").exists()
