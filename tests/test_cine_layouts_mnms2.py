import nibabel
import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.subjects import list_subjects, read_subject

AFFINE = np.diag([-1.5, 1.5, 8, 1])  # turned on its way to the display


@pytest.fixture
def study(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("001", "002"):
        cine = rng.integers(0, 1000, (6, 5, 1, 8), dtype=np.int16)
        (tmp_path / name).mkdir()
        for kind, frame in (("ED", 2), ("ES", 5)):
            picture = nibabel.Nifti1Image(cine[..., frame], AFFINE)
            nibabel.save(picture, tmp_path / f"{name}/{name}_LA_{kind}.nii.gz")
            nibabel.save(picture, tmp_path / f"{name}/{name}_LA_{kind}_gt.nii.gz")
        path = tmp_path / f"{name}/{name}_LA_CINE.nii.gz"
        nibabel.save(nibabel.Nifti1Image(cine, AFFINE), path)
        nibabel.save(nibabel.Nifti1Image(cine, AFFINE), str(path).replace("LA", "SA"))
    return tmp_path


def test_ed_and_es_are_found_by_their_pixels(study):
    subjects = list_subjects(study)
    assert [s.name for s in subjects] == ["001", "002"]
    for subject in subjects:
        (cine,) = read_subject(subject)
        assert (cine.ed_frame, cine.es_frame, cine.pixels.shape) == (2, 5, (8, 5, 6))
    assert list_subjects(study / "001") == subjects[:1] == list_subjects(subjects[0].path)


def test_without_them_or_with_others_they_are_not_known(study):
    (study / "001/001_LA_ED.nii.gz").unlink()
    other = nibabel.Nifti1Image(np.zeros((6, 5, 1), np.int16), AFFINE)
    nibabel.save(other, study / "001/001_LA_ES.nii.gz")
    (cine,) = read_subject(list_subjects(study)[0])
    assert isinstance(cine, Cine) and (cine.ed_frame, cine.es_frame) == (0, None)


def test_a_broken_cine_is_refused(study):
    (study / "001/001_LA_CINE.nii.gz").write_bytes(b"torn")
    (item,) = read_subject(list_subjects(study)[0])
    assert item.reason.startswith("is broken")
