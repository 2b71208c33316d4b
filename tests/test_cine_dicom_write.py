import datetime
import itertools
import pathlib
import shutil
import subprocess

import numpy as np
import pydicom
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.dicom_write import write_dicom
from gancmri_jax.cine.read import read_cines
from gancmri_jax.errors import InputError

# What PS3.3 asks for by name in an Enhanced MR Image with DERIVED pixels, of type 1 or 1C, which
# must have a value, and of type 2, which may be empty; ">" steps into a sequence's first item.
TYPE_1 = """
SOPClassUID SOPInstanceUID PatientID StudyInstanceUID Modality SeriesInstanceUID SeriesNumber
FrameOfReferenceUID Manufacturer ManufacturerModelName DeviceSerialNumber SoftwareVersions
InstanceNumber ContentDate ContentTime ContentQualification ApplicableSafetyStandardAgency ImageType
PixelPresentation VolumetricProperties VolumeBasedCalculationTechnique ComplexImageComponent
AcquisitionContrast SamplesPerPixel PhotometricInterpretation BitsAllocated BitsStored HighBit
PixelRepresentation Rows Columns NumberOfFrames PixelData BurnedInAnnotation LossyImageCompression
PresentationLUTShape
DimensionOrganizationSequence>DimensionOrganizationUID
DimensionIndexSequence>DimensionIndexPointer
DimensionIndexSequence>DimensionOrganizationUID
DimensionIndexSequence>FunctionalGroupPointer
ContributingEquipmentSequence>PurposeOfReferenceCodeSequence>CodeValue
ContributingEquipmentSequence>Manufacturer
SharedFunctionalGroupsSequence>PixelMeasuresSequence>PixelSpacing
SharedFunctionalGroupsSequence>PixelMeasuresSequence>SliceThickness
SharedFunctionalGroupsSequence>PlanePositionSequence>ImagePositionPatient
SharedFunctionalGroupsSequence>PlaneOrientationSequence>ImageOrientationPatient
SharedFunctionalGroupsSequence>FrameAnatomySequence>FrameLaterality
SharedFunctionalGroupsSequence>FrameAnatomySequence>AnatomicRegionSequence>CodeValue
SharedFunctionalGroupsSequence>PixelValueTransformationSequence>RescaleSlope
SharedFunctionalGroupsSequence>PixelValueTransformationSequence>RescaleIntercept
SharedFunctionalGroupsSequence>PixelValueTransformationSequence>RescaleType
SharedFunctionalGroupsSequence>FrameVOILUTSequence>WindowCenter
SharedFunctionalGroupsSequence>FrameVOILUTSequence>WindowWidth
SharedFunctionalGroupsSequence>MRImageFrameTypeSequence>FrameType
SharedFunctionalGroupsSequence>MRImageFrameTypeSequence>PixelPresentation
SharedFunctionalGroupsSequence>MRImageFrameTypeSequence>VolumetricProperties
SharedFunctionalGroupsSequence>MRImageFrameTypeSequence>VolumeBasedCalculationTechnique
SharedFunctionalGroupsSequence>MRImageFrameTypeSequence>ComplexImageComponent
SharedFunctionalGroupsSequence>MRImageFrameTypeSequence>AcquisitionContrast
PerFrameFunctionalGroupsSequence>FrameContentSequence>DimensionIndexValues
PerFrameFunctionalGroupsSequence>FrameContentSequence>StackID
PerFrameFunctionalGroupsSequence>FrameContentSequence>InStackPositionNumber
PerFrameFunctionalGroupsSequence>FrameContentSequence>TemporalPositionIndex
PerFrameFunctionalGroupsSequence>CardiacSynchronizationSequence>NominalCardiacTriggerDelayTime
"""
TYPE_2 = """
PatientName PatientBirthDate PatientSex StudyDate StudyTime ReferringPhysicianName StudyID
AccessionNumber PatientPosition PositionReferenceIndicator AcquisitionContextSequence
"""
NOW = datetime.datetime(2026, 3, 9, 14, 5, 7)
ODD = np.array([False, True, False, True, False])


@pytest.fixture
def cine():
    """Frames of odd sizes and an odd number, whose values differ everywhere."""
    pixels = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    return Cine(pixels, (1.8293650793650793, 1.25), 18.3, "heart-0007")


def write(folder: pathlib.Path, cine: Cine, generated: np.ndarray | None = None) -> pydicom.Dataset:
    """Write and read back, with the identifiers 2.25.1, 2.25.2, …"""
    count = itertools.count(1)
    path = folder / "a.dcm"
    write_dicom(path, cine, generated, new_uid=lambda: f"2.25.{next(count)}", now=NOW)
    return pydicom.dcmread(path)


def find(dataset: pydicom.Dataset, name: str) -> pydicom.DataElement:
    *sequences, keyword = name.split(">")
    for sequence in sequences:
        dataset = dataset[sequence][0]
    return dataset[keyword]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_what_is_written_is_read_back(tmp_path, cine, dtype):
    pixels = cine.pixels.astype(dtype) * (600 if dtype == "uint16" else 1)
    write_dicom(tmp_path / "a.dcm", Cine(pixels, cine.spacing_mm, cine.frame_ms, "heart"))
    (back,) = read_cines(tmp_path / "a.dcm")
    np.testing.assert_array_equal(back.pixels, pixels)
    assert back.pixels.dtype == dtype
    assert back.spacing_mm == pytest.approx(cine.spacing_mm, rel=1e-13)  # 16 characters hold it
    assert back.frame_ms == pytest.approx(cine.frame_ms, rel=1e-13)
    assert [path.name for path in tmp_path.iterdir()] == ["a.dcm"]


@pytest.mark.parametrize("generated", [None, ODD], ids=["synthetic", "derived"])
def test_what_the_standard_asks_for_is_there(tmp_path, cine, generated):
    dataset = write(tmp_path, cine, generated)
    assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.4.1"
    for name in TYPE_1.split():
        assert not find(dataset, name).is_empty, name
    for name in TYPE_2.split():
        find(dataset, name)


def test_frames_are_told_apart_by_their_time(tmp_path, cine):
    frames = write(tmp_path, cine).PerFrameFunctionalGroupsSequence
    contents = [frame.FrameContentSequence[0] for frame in frames]
    assert [content.DimensionIndexValues for content in contents] == [
        [1, 1, i] for i in range(1, 6)
    ]
    delays = [frame.CardiacSynchronizationSequence[0] for frame in frames]
    times_ms = [delay.NominalCardiacTriggerDelayTime for delay in delays]
    np.testing.assert_allclose(times_ms, [0, 18.3, 36.6, 54.9, 73.2])


def test_a_generated_cine_says_so_and_has_no_patient(tmp_path, cine):
    dataset = write(tmp_path, cine)
    assert dataset.ImageType == ["DERIVED", "PRIMARY", "CINE", "NONE"]
    assert dataset.SyntheticData == "YES" and dataset.ContentQualification == "RESEARCH"
    assert (
        dataset.ImageComments.startswith("synthetic")
        and "not of a patient" in dataset.ImageComments
    )
    assert dataset.SeriesDescription == "Synthetic cine, not for diagnosis"
    assert (dataset.PatientName, dataset.PatientID) == ("SYNTHETIC^HEART", "heart-0007")
    assert dataset.PatientIdentityRemoved == "YES" and dataset.DeidentificationMethod
    (equipment,) = dataset.ContributingEquipmentSequence
    (purpose,) = equipment.PurposeOfReferenceCodeSequence
    assert (purpose.CodingSchemeDesignator, purpose.CodeValue) == ("DCM", "109100")
    groups = dataset.PerFrameFunctionalGroupsSequence
    assert {group.FrameContentSequence[0].FrameComments for group in groups} == {"synthetic"}


def test_a_derived_cine_says_which_frames_are_synthetic(tmp_path, cine):
    dataset = write(tmp_path, cine, ODD)
    assert dataset.SyntheticData == "YES"
    assert "2 of 5 frames synthetic" in dataset.ImageComments
    assert dataset.PatientName == "DERIVED^SYNTHETIC FRAMES"
    assert "PatientIdentityRemoved" not in dataset  # which only who wrote the source can know
    groups = dataset.PerFrameFunctionalGroupsSequence
    comments = [group.FrameContentSequence[0].FrameComments for group in groups]
    assert [comment == "synthetic" for comment in comments] == ODD.tolist()


def test_identifiers_are_fresh_unless_they_are_given(tmp_path, cine):
    uids = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
    seen = set()
    for name in ("a.dcm", "b.dcm"):
        write_dicom(tmp_path / name, cine)
        dataset = pydicom.dcmread(tmp_path / name)
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        seen |= {dataset[uid].value for uid in uids}
    assert len(seen) == 8
    first = write(tmp_path, cine)
    once = (tmp_path / "a.dcm").read_bytes()
    assert write(tmp_path, cine) == first and (tmp_path / "a.dcm").read_bytes() == once
    assert (first.ContentDate, first.ContentTime) == ("20260309", "140507")


def test_the_window_shows_all_there_is(tmp_path, cine):
    groups = write(tmp_path, cine).SharedFunctionalGroupsSequence[0]
    window = groups.FrameVOILUTSequence[0]
    assert (window.WindowCenter, window.WindowWidth) == (128, 256)  # 0 is black, 255 is white
    deep = Cine(cine.pixels.astype(np.uint16) + 1000, (1.0, 1.0), 20.0, "heart")
    window = write(tmp_path, deep).SharedFunctionalGroupsSequence[0].FrameVOILUTSequence[0]
    # 1000 to 1104: 105 values, of which the one in the middle is 1052, half a value below.
    assert (window.WindowCenter, window.WindowWidth) == (1052.5, 105)


def test_long_names_are_cut_to_what_a_patient_id_holds(tmp_path, cine):
    name = "a\\b" + "x" * 80
    dataset = write(tmp_path, Cine(cine.pixels, (1.0, 1.0), 20.0, name), ODD)
    assert dataset.PatientID == "a/b" + "x" * 61


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"spacing_mm": (float("nan"),) * 2}, "spacing is unknown; a DICOM file needs it"),
        ({"frame_ms": None}, "time between frames is unknown"),
        ({"pixels": np.zeros((2, 3, 3), np.float32)}, "uint8 or uint16, got float32"),
    ],
    ids=["spacing", "time", "type"],
)
def test_what_is_not_known_is_refused(tmp_path, cine, change, reason):
    fields = {"pixels": cine.pixels, "spacing_mm": (1.0, 1.0), "frame_ms": 20.0} | change
    with pytest.raises(InputError, match=f"^{tmp_path}/a.dcm: .*{reason}"):
        write_dicom(tmp_path / "a.dcm", Cine(subject="heart", **fields))
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_what_was_there(tmp_path, cine, monkeypatch):
    (tmp_path / "a.dcm").write_bytes(b"earlier")

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="no space left"):
        write_dicom(tmp_path / "a.dcm", cine)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"earlier"]


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs dciodvfy, of dicom3tools")
@pytest.mark.parametrize("generated", [None, ODD], ids=["synthetic", "derived"])
def test_dciodvfy_finds_no_error(tmp_path, cine, generated):
    write(tmp_path, cine, generated)
    run = subprocess.run(["dciodvfy", tmp_path / "a.dcm"], capture_output=True, text=True)
    said = run.stderr.splitlines()
    assert "EnhancedMRImage" in said
    # Versions from before SyntheticData do not know its tag.
    assert [s for s in said if s.startswith("Error") and "0x0008,0x001c" not in s] == []
