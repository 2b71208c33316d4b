import shutil
import zipfile

import pydicom
import pytest
from pydicom.uid import generate_uid

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.subjects import list_subjects, read_subject
from tests.dicoms import write_cine, write_frame

AXIAL = [1, 0, 0, 0, 0.8, 0.6]
SAGITTAL = [0, 1, 0, 0, 0, -1]
CORONAL = [1, 0, 0, 0, 0.1, -1]


def series(folder, first, view, number, orientation=AXIAL, frames=3, uid=None):
    write_cine(
        folder,
        frames,
        first,
        SeriesDescription=view,
        SeriesNumber=number,
        ImageOrientationPatient=orientation,
        SeriesInstanceUID=uid or generate_uid(),
    )
    return [(f"IM-{first + i:04}.dcm", view) for i in range(frames)]


def pack(folder, out, manifest=None, name="manifest.csv"):
    if manifest is not None:
        # As they come: a date with a comma in it, unquoted.
        lines = [f"{file},1234567,9,Jan 5, 2015,{view},MR" for file, view in manifest]
        header = "filename,patientid,studyid,date,series discription,modality"
        (folder / name).write_text("\n".join([header, *lines]))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    shutil.rmtree(folder)


def values(tmp_path):
    (subject,) = list_subjects(tmp_path)
    cines = [item for item in read_subject(subject) if isinstance(item, Cine)]
    return [cine.pixels[:, -1, 0].tolist() for cine in cines]


@pytest.mark.parametrize("manifest", [None, "manifest.csv", "manifest.cvs"])
def test_the_last_four_chamber_series_is_taken(tmp_path, manifest):
    rows = series(tmp_path / "x", 10, "CINE_segmented_LAX_4Ch", 5)
    rows += series(tmp_path / "x", 20, "CINE_segmented_LAX_2Ch", 6, SAGITTAL)
    rows += series(tmp_path / "x", 30, "CINE_segmented_LAX_4Ch", 12)
    out = tmp_path / "1234567_20208_2_0.zip"
    pack(tmp_path / "x", out, rows if manifest else None, manifest or "")
    (subject,) = list_subjects(tmp_path)
    assert (subject.name, subject.path) == ("1234567", out)
    assert values(tmp_path) == [[30, 31, 32]]
    assert [p.name for p in tmp_path.iterdir()] == [out.name]


def test_a_series_that_broke_off_is_not_the_last(tmp_path):
    series(tmp_path / "x", 10, "CINE_segmented_LAX_4Ch", 5)
    series(tmp_path / "x", 30, "CINE_segmented_LAX_4Ch", 12, frames=1)
    pack(tmp_path / "x", tmp_path / "1_20208_2_0.zip")
    assert values(tmp_path) == [[10, 11, 12]]


def test_of_a_mixed_series_the_most_axial_plane_is_taken(tmp_path):
    uid = generate_uid()
    rows = []
    for first, plane in ((10, SAGITTAL), (20, AXIAL), (30, CORONAL)):
        rows += series(tmp_path / "x", first, "CINE_segmented_LAX", 5, plane, uid=uid)
    pack(tmp_path / "x", tmp_path / "1_20208_2_0.zip", rows)
    assert values(tmp_path) == [[20, 21, 22]]


def test_visits_of_a_person_go_by_one_name_and_may_lie_deeper_or_unpacked(tmp_path):
    series(tmp_path / "x", 10, "CINE_segmented_LAX_4Ch", 5)
    (tmp_path / "10").mkdir()
    pack(tmp_path / "x", tmp_path / "10/1000001_20208_2_0.zip")
    series(tmp_path / "1000001_20208_3_0", 10, "CINE_segmented_LAX_4Ch", 5)
    subjects = list_subjects(tmp_path)
    assert [subject.name for subject in subjects] == ["1000001"] * 2
    assert all(isinstance(item, Cine) for s in subjects for item in read_subject(s))
    # One visit may be the input.
    assert list_subjects(subjects[0].path)[0].name == "1000001"


def test_a_visit_without_the_view_is_refused(tmp_path):
    (tmp_path / "x").mkdir()
    write_frame(tmp_path / "x/a.dcm", 0, SeriesDescription="CINE_segmented_LAX_2Ch")
    pack(tmp_path / "x", tmp_path / "1_20208_2_0.zip")
    (tmp_path / "2_20208_2_0.zip").write_bytes(b"torn")
    for subject in list_subjects(tmp_path):
        items = list(read_subject(subject))
        assert all(isinstance(item, Refusal) for item in items)
        assert "no four-chamber cine" in items[-1].reason


def test_the_four_chamber_view_of_a_human_heart_is_the_most_axial(shared, tmp_path):
    uid = generate_uid()
    (tmp_path / "x").mkdir()
    for view in ("2ch", "4ch"):
        for path in (shared / "data/cine/human_dicom" / view).iterdir():
            dataset = pydicom.dcmread(path)
            dataset.SeriesDescription, dataset.SeriesInstanceUID = "CINE_segmented_LAX", uid
            dataset.save_as(tmp_path / f"x/{view}{path.name}")
    pack(tmp_path / "x", tmp_path / "1_20208_2_0.zip")
    (subject,) = list_subjects(tmp_path)
    (cine,) = (item for item in read_subject(subject) if isinstance(item, Cine))
    assert "by its geometry" in cine.notes[0] and cine.pixels.shape == (30, 168, 208)
