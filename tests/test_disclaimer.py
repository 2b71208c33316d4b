"""Whatever leaves the package says that it is not for diagnosis."""

import json

import av
import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.video_file import write_contact_sheet, write_gif, write_mp4, write_png
from gancmri_jax.cine.write import SUFFIXES, write_cine
from gancmri_jax.disclaimer import NOT_FOR_DIAGNOSIS, marked_card, unmarked_card
from gancmri_jax.experiments import motion_report, projection_report
from gancmri_jax.export.graphs import _write_beside
from gancmri_jax.model.file import load_model, read_header, save_model
from gancmri_jax.page import Heading, render_html, render_markdown
from gancmri_jax.physiology.outputs import write_findings
from gancmri_jax.physiology.phenotypes import Findings
from tests.tiny import tiny_model
from tests.tiny_segmenter import tiny_segmenter

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 8, 8)).astype(np.uint8)


def read(path):
    """Return what a file says of itself."""
    if path.name.endswith(".mp4"):
        with av.open(str(path)) as film:
            return film.metadata["comment"]
    if path.name.endswith(".nii.gz"):
        return bytes(nib.load(path).header["descrip"]).decode()
    if path.name.endswith(".dcm"):
        dataset = pydicom.dcmread(path)
        said = (dataset.SeriesDescription, dataset.StudyDescription, dataset.ImageComments)
        assert all(NOT_FOR_DIAGNOSIS in line for line in said)
        return said[0]
    with Image.open(path) as picture:
        return str(picture.info.get("Comment") or picture.info.get("comment"))


@pytest.mark.parametrize("suffix", SUFFIXES.values())
@pytest.mark.parametrize("generated", [None, np.array([False, True, False])])
def test_cines(suffix, generated, tmp_path):
    path = tmp_path / f"a{suffix}"
    write_cine(path, Cine(FRAMES, (1.5, 1.5), 30.0, "a"), generated)
    assert NOT_FOR_DIAGNOSIS in read(path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.mp4", lambda path: write_mp4(path, FRAMES, 30.0)),
        ("a.gif", lambda path: write_gif(path, FRAMES, 30.0)),
        ("a.png", lambda path: write_png(path, FRAMES[0])),
        ("b.png", lambda path: write_contact_sheet(path, FRAMES)),
        ("a.nii.gz", lambda path: write_nifti(path, FRAMES, (1.5, 1.5), 30.0)),
    ],
)
def test_files_of_which_nothing_else_is_said(name, write, tmp_path):
    write(tmp_path / name)
    assert NOT_FOR_DIAGNOSIS in read(tmp_path / name)


def test_models_in_all_formats(tmp_path):
    path = tmp_path / "a.safetensors"
    save_model(tiny_model(), path)
    assert NOT_FOR_DIAGNOSIS in read_header(path).card["use"]
    assert load_model(path).card == tiny_model().card  # which a copy is written from
    _write_beside(tiny_model(), tmp_path)
    assert NOT_FOR_DIAGNOSIS in (tmp_path / "card.json").read_text()
    assert unmarked_card(marked_card({"note": 1})) == {"note": 1}


def test_reports(tmp_path):
    blocks = [Heading(1, "A report")]
    assert NOT_FOR_DIAGNOSIS in render_html(blocks, tmp_path)
    assert NOT_FOR_DIAGNOSIS in render_markdown(blocks)
    motion_report.write_markdown(tmp_path / "motions.md", [])
    projection_report.write_markdown(tmp_path / "table.md", [], "lpips", [])
    found = Findings({"lv_area_ed_cm2": 20.0}, np.array([20.0]), "cine")
    write_findings(tmp_path, {"a": found}, tiny_segmenter())
    for name in ("motions.md", "table.md"):
        assert NOT_FOR_DIAGNOSIS in (tmp_path / name).read_text()
    assert NOT_FOR_DIAGNOSIS in json.loads((tmp_path / "segmentation.json").read_text())["use"]
