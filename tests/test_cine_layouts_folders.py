import zipfile

import nibabel
import numpy as np
from PIL import Image

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.subjects import list_subjects, read_subject
from gancmri_jax.cine.video_file import write_gif
from tests.dicoms import write_cine

FRAMES = np.stack(
    [np.arange(256 * 256, dtype=np.uint8).reshape(256, 256) // (i + 1) for i in range(3)]
)


def write_pngs(folder):
    folder.mkdir(parents=True)
    for i, frame in enumerate(FRAMES):
        Image.fromarray(frame).save(folder / f"{i}.png")


def zip_up(folder, out):
    with zipfile.ZipFile(out, "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"DICOM/{path.name}")


def test_every_kind_of_file_is_a_subject(tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    write_cine(tmp_path / "x", 3)
    zip_up(tmp_path / "x", study / "zipped.zip")
    (study / "folder").mkdir()
    zip_up(tmp_path / "x", study / "folder/inside.zip")
    write_pngs(study / "pictures")
    write_gif(study / "film.gif", FRAMES, 40)
    write_nifti(study / "nifti.nii.gz", FRAMES, (1.5, 1.5), 30.0)
    subjects = list_subjects(study)
    assert [s.name for s in subjects] == ["film", "folder", "nifti", "pictures", "zipped"]
    for subject in subjects:
        (cine,) = read_subject(subject)
        assert isinstance(cine, Cine) and (cine.subject, len(cine.pixels)) == (subject.name, 3)
    for subject in subjects:  # each may be the input itself, a folder with all in its zip aside
        if subject.name != "folder":
            assert [s.name for s in list_subjects(subject.path)] == [subject.name]


def test_several_folders_of_pngs_are_several_cines_of_a_subject(tmp_path):
    write_pngs(tmp_path / "heart/rest")
    write_pngs(tmp_path / "heart/stress")
    (subject,) = list_subjects(tmp_path)
    assert [cine.subject for cine in read_subject(subject)] == ["heart"] * 2


def test_a_picture_beside_subjects_is_no_subject(tmp_path):
    write_pngs(tmp_path / "a")
    Image.fromarray(FRAMES[0]).save(tmp_path / "overview.png")
    assert [s.name for s in list_subjects(tmp_path)] == ["a"]


def test_options_reach_the_files_that_need_them(tmp_path):
    write_pngs(tmp_path / "a")
    stack = np.arange(2 * 4 * 6 * 3, dtype=np.int16).reshape(6, 4, 3, 2)
    nibabel.save(nibabel.Nifti1Image(stack, np.diag([-1, -1, 8, 1])), tmp_path / "b.nii.gz")
    options = ReadOptions(slice=1, mask_boxes=((0, 0, 256, 200),), spacing_mm=(1.5, 1.25))
    pictures, nifti = (
        item for s in list_subjects(tmp_path) for item in read_subject(s, options=options)
    )
    assert pictures.spacing_mm == (1.5, 1.25) and not pictures.pixels[:, :, :200].any()
    np.testing.assert_array_equal(nifti.pixels, stack[:, :, 1].transpose(2, 1, 0))
    assert nifti.spacing_mm == (1, 1)


def test_a_box_outside_is_refused_without_the_name(tmp_path):
    write_pngs(tmp_path / "patient")
    options = ReadOptions(mask_boxes=((0, 0, 300, 200),))
    (item,) = read_subject(*list_subjects(tmp_path / "patient"), options=options)
    assert "--mask-box 0 0 300 200" in item.reason and "patient" not in item.reason
