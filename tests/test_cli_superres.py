import json

import nibabel
import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

from gancmri_jax.cine.video_file import write_gif
from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError
from gancmri_jax.model.file import save_model
from gancmri_jax.projection.store import read_latents
from tests.tiny import tiny_model
from tests.tiny_encoder import encoding_model

FRAMES = np.random.default_rng(0).integers(0, 1000, (3, 16, 16), dtype=np.int16)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_model(tiny_model(resolution=8), path)
    return path


def superres(model, source, out, *words):
    options = ["--model", model, "--input", source, "--out", out, "--steps", 1]
    options += ["--batch-size", 3, "--distance", "multiscale_pixel"]
    arguments = ["superres", *map(str, [*options, *words])]
    return CliRunner().invoke(gancmri, arguments, catch_exceptions=False)


def test_a_slice_of_a_stack_becomes_a_faster_cine_that_says_which_frames_are_new(model, tmp_path):
    source, out = tmp_path / "anna.nii.gz", tmp_path / "out"
    stack = np.stack([FRAMES, 1000 - FRAMES]).transpose(3, 2, 0, 1)  # [x y z t]
    image = nibabel.Nifti1Image(stack, np.diag([-1.25, -1.5, 8, 1]))
    image.header.set_zooms((1.25, 1.5, 8.0, 30.0))
    image.header.set_xyzt_units("mm", "msec")
    nibabel.save(image, source)
    words = ("--slice", 1, "--closed", "--format", "nifti", "--format", "dicom")
    assert superres(model, source, out, *words).exit_code == 0
    (written,) = out.glob("*.nii.gz")
    dense = nibabel.load(written)
    np.testing.assert_allclose(dense.header.get_zooms(), (2.5, 3, 8, 15))  # 16 pixels became 8
    assert b"3 of 6 frames synthetic" in dense.header["descrip"].item()
    dataset = pydicom.dcmread(next(out.glob("*.dcm")))
    assert dataset.PatientID == written.name.split("-")[0]  # a keyed hash
    groups = dataset.PerFrameFunctionalGroupsSequence
    comments = [group.FrameContentSequence[0].FrameComments for group in groups]
    assert [comment == "synthetic" for comment in comments] == [False, True] * 3
    account = json.loads(written.with_name(written.name.replace(".nii.gz", ".json")).read_text())
    assert [frame["measured"] for frame in account["frames"]] == [True, False] * 3
    assert account["frames"][5]["between"] == [2, 0]
    errors = account["restored_rms"]
    assert errors.keys() == {"residual", "codes"} and account["method"] == min(
        errors, key=errors.get
    )
    assert not any(b"anna" in path.read_bytes() for path in out.rglob("*") if path.is_file())


def test_a_video_needs_spacing_for_dicom(model, tmp_path):
    source, out = tmp_path / "a.gif", tmp_path / "out"
    write_gif(source, (FRAMES >> 2).astype(np.uint8), 40.0)
    with pytest.raises(
        InputError, match="1 of 1 cines do not know their spacing, which dicom need"
    ):
        superres(model, source, out, "--format", "dicom")
    assert not out.exists()
    words = ("--format", "dicom", "--spacing-mm", 1.5, 1.25, "--keep-ids")
    assert superres(model, source, out, *words).exit_code == 0
    dataset = pydicom.dcmread(out / "a-0000-x2.dcm")
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert measures.PixelSpacing == [48, 40]  # 256 pixels became 8
    plain = superres(model, source, out, "--keep-ids")
    assert plain.exit_code == 0 and "no NIfTI, since its spacing is unknown" in plain.output
    assert sorted(p.suffix for p in out.glob("a-0000-x2.*")) == [".dcm", ".gif", ".json", ".mp4"]


@pytest.mark.slow
def test_a_search_begins_where_it_is_told(tmp_path):
    path, source = tmp_path / "encoding.safetensors", tmp_path / "a.gif"
    save_model(encoding_model(), path)
    write_gif(source, (FRAMES >> 2).astype(np.uint8), 40.0)
    for start, more in (("encoder", ()), ("mean", ("--start", "mean"))):
        out = tmp_path / start
        assert superres(path, source, out, "--format", "png", *more).exit_code == 0
        assert read_latents(out / "latents.zarr")[1]["start"] == start


def test_the_residual_goes_with_neither_tpca_nor_frames_made_anew(model, tmp_path):
    source, out = tmp_path / "a.gif", tmp_path / "out"
    write_gif(source, (FRAMES >> 2).astype(np.uint8), 40.0)
    for other in ("--tpca", "--all-generated"):
        refused = superres(model, source, out, "--residual", other)
        assert refused.exit_code == 2 and f"remove {other}" in refused.output
    assert not out.exists()
    named = superres(model, source, out, "--residual", "--format", "png")
    assert named.exit_code == 0 and "3 frames became 5, by residual" in named.output
    assert len(list(out.glob("*.png"))) == 1


def test_codes_are_taken_by_name_and_the_blend_is_named_where_it_is_better(model, tmp_path):
    """One step of projection finds no heart."""
    source, out = tmp_path / "a.gif", tmp_path / "out"
    write_gif(source, np.repeat((FRAMES[:1] >> 2).astype(np.uint8), 3, axis=0), 40.0)
    codes = superres(model, source, out, "--method", "codes", "--format", "png")
    assert "by codes" in codes.output and "--method residual comes nearer" in codes.output
    best = superres(model, source, out, "--format", "png")
    assert "by residual" in best.output and "comes nearer" not in best.output
