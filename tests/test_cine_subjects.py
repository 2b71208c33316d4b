import math

import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.not_taken import NotTaken
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.subjects import list_subjects, read_subject, study_phenotypes
from gancmri_jax.errors import InputError

FRAMES = np.arange(5 * 6 * 4, dtype=np.int16).reshape(5, 6, 4)


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(path, FRAMES, (1.5, 1.25), 30.0)


def found(path):
    return [(subject.name, subject.path) for subject in list_subjects(path)]


def test_folders_and_files_are_subjects(tmp_path):
    write(tmp_path / "b/la_4ch.nii.gz")
    write(tmp_path / "b/la_4ch_mask.nii.gz")
    write(tmp_path / "b/sa.nii.gz")
    write(tmp_path / "a.nii.gz")
    write(tmp_path / "a_gt.nii.gz")
    (tmp_path / "phenotypes.csv").write_text("subject,es_frame\nb,2\n")
    (tmp_path / ".cache").mkdir()
    assert found(tmp_path) == [("a", tmp_path / "a.nii.gz"), ("b", tmp_path / "b")]
    cines = [
        cine
        for subject in list_subjects(tmp_path)
        for cine in read_subject(subject, study_phenotypes(tmp_path))
        if isinstance(cine, Cine)
    ]
    assert [(cine.subject, cine.ed_frame, cine.es_frame) for cine in cines] == [
        ("a", 0, None),
        ("b", 0, 2),
    ]


def test_the_input_may_be_one_subject(tmp_path):
    write(tmp_path / "heart/la_4ch.nii.gz")
    assert found(tmp_path / "heart") == [("heart", tmp_path / "heart")]
    file = tmp_path / "heart/la_4ch.nii.gz"
    assert found(file) == [("la_4ch", file)]


def test_a_folder_of_dicoms_is_one_subject(shared):
    folder = shared / "data/cine/porcine_dicom"
    (subject,) = list_subjects(folder)
    *cines, licence = read_subject(subject)
    assert [cine.subject for cine in cines] == ["porcine_dicom"] * 4
    assert licence == NotTaken(folder / "LICENSE", "files that hold no cine (no suffix)")


def test_what_is_not_a_subject_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    write(tmp_path / "two/a.nii.gz")
    write(tmp_path / "two/b.nii.gz")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn/a.nii.gz").write_bytes(b"\x1f\x8b")
    reasons = {}
    for subject in list_subjects(tmp_path):
        (item,) = read_subject(subject)
        assert isinstance(item, Refusal)
        reasons[subject.name] = item.reason
    assert "no DICOM" in reasons["empty"]
    assert "la_4ch.nii.gz" in reasons["two"]
    assert "broken" in reasons["torn"] and str(tmp_path) not in reasons["torn"]


@pytest.mark.parametrize("es_frame", ["5", "-1", "1.5"])
def test_an_impossible_es_frame_is_refused(tmp_path, es_frame):
    write(tmp_path / "a.nii.gz")
    (item,) = read_subject(*list_subjects(tmp_path), {"a": {"es_frame": float(es_frame)}})
    assert isinstance(item, Refusal) and f"es_frame {es_frame}" in item.reason


def test_missing_phenotypes_leave_the_defaults(tmp_path):
    write(tmp_path / "a.nii.gz")
    (cine,) = read_subject(*list_subjects(tmp_path), {"a": {"ed_frame": math.nan}})
    assert isinstance(cine, Cine) and cine.ed_frame == 0 and cine.es_frame is None


def test_nothing_to_read_is_an_error_that_names_the_place(tmp_path):
    with pytest.raises(InputError, match="holds no subject"):
        list_subjects(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        list_subjects(tmp_path / "absent")
