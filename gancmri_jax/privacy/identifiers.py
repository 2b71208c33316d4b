"""What could tell whose heart it is: names, dates and numbers in the files of a study."""

import io
import pathlib
import warnings
from collections.abc import Iterator
from typing import cast

import nibabel
import pydicom

from gancmri_jax.cine.dicom_frame import DEFLATED, is_dicom
from gancmri_jax.cine.files import File, list_files
from gancmri_jax.cine.layouts.folders import FOUR_CHAMBER
from gancmri_jax.cine.layouts.found import Subject

DICOM_FIELDS = (
    "AccessionNumber",
    "AcquisitionDate",
    "DeviceSerialNumber",
    "FrameOfReferenceUID",
    "InstitutionAddress",
    "InstitutionName",
    "OperatorsName",
    "OtherPatientIDs",
    "PatientAddress",
    "PatientBirthDate",
    "PatientID",
    "PatientName",
    "PatientTelephoneNumbers",
    "PerformingPhysicianName",
    "PhysiciansOfRecord",
    "ReferringPhysicianName",
    "SeriesInstanceUID",
    "StationName",
    "StudyDate",
    "StudyID",
    "StudyInstanceUID",
)
NIFTI_FIELDS = ("db_name", "descrip", "aux_file", "intent_name")
NO_ONE = {"anon", "anonymous", "anonymised", "anonymized", "none", "removed", "unknown"}

Identifier = tuple[str, str]  # value, kind


def find_identifiers(subject: Subject) -> Iterator[Identifier]:
    """Yield what the names and headers of a subject's files say of whose they are, and its kind.

    The same value may come more than once.
    """
    yield subject.name, "subject name"
    yield _stem(subject.path), "file name"
    for item in list_files(subject.path):
        if not isinstance(item, File):
            continue
        if is_dicom(item):
            yield from _in_dicom(item)
        elif item.path.name.endswith((".nii", ".nii.gz")) and item.path.is_file():
            yield from _in_nifti(item.path)
            if not item.path.name.startswith(FOUR_CHAMBER):
                yield _stem(item.path), "file name"
        if item.path.parent.suffix == ".zip":
            yield _stem(item.path.parent), "file name"


def _in_dicom(file: File) -> Iterator[Identifier]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            content = file.read()
            if DEFLATED in content[:65536]:
                return
            dataset = pydicom.dcmread(
                io.BytesIO(content),
                force=True,
                stop_before_pixels=True,
                specific_tags=list(DICOM_FIELDS),
            )
            values = [(str(dataset[name].value), name) for name in DICOM_FIELDS if name in dataset]
        except Exception:  # no DICOM file, which `prepare` refuses
            return
    for value, name in values:
        for part in {value, *(value.split("^") if name.endswith("Name") else [])}:
            if (stripped := part.strip()) and stripped.lower() not in NO_ONE:
                yield stripped, name


def _in_nifti(path: pathlib.Path) -> Iterator[Identifier]:
    try:
        header = cast(nibabel.Nifti1Image, nibabel.load(path)).header
        values = [
            (header[name].item().decode("latin-1").strip("\0 "), name) for name in NIFTI_FIELDS
        ]
    except Exception:  # no NIfTI file, which `prepare` refuses
        return
    yield from ((value, f"NIfTI {name}") for value, name in values if value)


def _stem(path: pathlib.Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii").removesuffix(".zip")
