import zipfile

import nibabel
import numpy as np

from gancmri_jax.cine.subjects import list_subjects
from gancmri_jax.privacy.identifiers import find_identifiers
from tests.dicoms import write_cine


def found(path):
    return {pair for subject in list_subjects(path) for pair in find_identifiers(subject)}


def test_names_and_headers_of_dicoms(tmp_path):
    write_cine(
        tmp_path / "heart7",
        PatientName="Doe^Jane",
        PatientID="AB-123",
        PatientBirthDate="19500203",
        InstitutionName="anonymous",
        SeriesInstanceUID="1.2.3.4",
        FrameOfReferenceUID="",
    )
    assert found(tmp_path) == {
        ("heart7", "subject name"),
        ("heart7", "file name"),
        ("Doe^Jane", "PatientName"),
        ("Doe", "PatientName"),
        ("Jane", "PatientName"),
        ("AB-123", "PatientID"),
        ("19500203", "PatientBirthDate"),
        ("1.2.3.4", "SeriesInstanceUID"),
    }


def test_a_visit_of_uk_biobank(tmp_path):
    write_cine(tmp_path / "x", 2, PatientID="1234567", SeriesInstanceUID="1.2.3")
    with zipfile.ZipFile(tmp_path / "1234567_20208_2_0.zip", "w") as archive:
        for path in (tmp_path / "x").iterdir():
            archive.write(path, path.name)
    assert found(tmp_path) == {
        ("1234567", "subject name"),
        ("1234567_20208_2_0", "file name"),
        ("1234567", "PatientID"),
        ("1.2.3", "SeriesInstanceUID"),
    }


def test_nifti_headers(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((4, 3, 1, 2), np.uint8), np.eye(4))
    image.header["descrip"] = b"Jane Doe"
    nibabel.save(image, tmp_path / "heart7.nii.gz")
    (tmp_path / "torn.nii.gz").write_bytes(b"torn")
    assert found(tmp_path) == {
        ("heart7", "subject name"),
        ("heart7", "file name"),
        ("Jane Doe", "NIfTI descrip"),
        ("torn", "subject name"),
        ("torn", "file name"),
    }
