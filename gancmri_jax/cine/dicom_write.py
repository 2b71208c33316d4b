"""Cines as one enhanced multi-frame DICOM file, marked derived and synthetic.

An Enhanced MR Image (PS3.3, A.36): what it asks of a pulse sequence, it asks of ORIGINAL pixels
only, so that nothing has to be made up for DERIVED ones. It allows no ImageType but PRIMARY.
"""

import datetime
import io
import math
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import DSfloat

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.nifti import SLICE_MM
from gancmri_jax.cine.origin import Generated, describe
from gancmri_jax.disclaimer import NOT_FOR_DIAGNOSIS
from gancmri_jax.errors import InputError
from gancmri_jax.version import __version__

MAKER = "gancmri_jax"
MOST_CHARACTERS = 64  # of a Long String, which PatientID is

DIMENSIONS = ("StackID", "InStackPositionNumber", "TemporalPositionIndex")
HEART = ("80891009", "SCT", "Heart")
SYNTHESIZING_EQUIPMENT = ("109100", "DCM", "Synthesizing Equipment")


def write_dicom(
    path: pathlib.Path,
    cine: Cine,
    generated: Generated = None,
    note: str = "",
    *,
    new_uid: Callable[[], str] = lambda: generate_uid(prefix=None),
    now: datetime.datetime | None = None,
) -> None:
    """Write frames as a DICOM file of their own study and series, whole or not at all.

    The plane is said to be axial, as it is displayed, and 8 mm thick; where it really lay in the
    patient is not known.

    Args:
        path: A name ending in `.dcm`.
        cine: Frames uint8 or uint16, with spacing and timing; its subject becomes PatientID.
        generated: Which frames a model generated; None where all are, and of no patient.
        note: What else its comments say.
        new_uid: Gives unique identifiers.
        now: What the file says of when it was made.

    Raises:
        InputError: Spacing or timing is unknown, or the frames are of another type.
    """
    if any(map(math.isnan, cine.spacing_mm)):
        raise InputError(
            f"{path}: spacing is unknown; a DICOM file needs it, so write a video instead"
        )
    if cine.frame_ms is None:
        raise InputError(f"{path}: time between frames is unknown; a DICOM file needs it")
    if cine.pixels.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path}: DICOM takes frames of uint8 or uint16, got {cine.pixels.dtype}")
    now = now or datetime.datetime.now()
    dataset = _identity(cine, generated, new_uid, now)
    dataset.update(_image(cine, generated, note, now))
    dataset.update(_dimensions(new_uid()))
    dataset.SharedFunctionalGroupsSequence = [_shared_groups(cine)]
    dataset.PerFrameFunctionalGroupsSequence = [
        _frame_groups(index, cine.frame_ms, generated is None or bool(generated[index]))
        for index in range(len(cine.pixels))
    ]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.set_pixel_data(
        np.ascontiguousarray(cine.pixels),
        "MONOCHROME2",
        8 * cine.pixels.itemsize,
        generate_instance_uid=False,
    )
    dataset.NumberOfFrames = len(cine.pixels)  # which is left out for one
    content = io.BytesIO()
    dataset.save_as(content, enforce_file_format=True)
    with atomic_write(path) as part:
        part.write_bytes(content.getvalue())


def _identity(
    cine: Cine, generated: Generated, new_uid: Callable[[], str], now: datetime.datetime
) -> Dataset:
    """Say who, when and by what: the modules of patient, study, series, equipment and SOP."""
    software = _item(
        Manufacturer=MAKER,
        ManufacturerModelName=MAKER,
        DeviceSerialNumber="none",
        SoftwareVersions=__version__,
    )
    contribution = _item(
        PurposeOfReferenceCodeSequence=[_code(SYNTHESIZING_EQUIPMENT)],
        ContributionDateTime=f"{now:%Y%m%d%H%M%S}",
        ContributionDescription=describe(generated),
    )
    contribution.update(software)
    frames = "Synthetic cine" if generated is None else "Cine with synthetic frames"
    dataset = _item(
        SpecificCharacterSet="ISO_IR 192",
        SOPClassUID=EnhancedMRImageStorage,
        SOPInstanceUID=new_uid(),
        SyntheticData="YES",
        InstanceCreationDate=f"{now:%Y%m%d}",
        InstanceCreationTime=f"{now:%H%M%S}",
        ContributingEquipmentSequence=[contribution],
        PatientName="SYNTHETIC^HEART" if generated is None else "DERIVED^SYNTHETIC FRAMES",
        PatientID=cine.subject.replace("\\", "/")[:MOST_CHARACTERS],
        PatientBirthDate="",
        PatientSex="",
        StudyInstanceUID=new_uid(),
        StudyDate=f"{now:%Y%m%d}",
        StudyTime=f"{now:%H%M%S}",
        StudyID="1",
        StudyDescription=f"{frames}, {NOT_FOR_DIAGNOSIS}",
        ReferringPhysicianName="",
        AccessionNumber="",
        Modality="MR",
        SeriesInstanceUID=new_uid(),
        SeriesNumber=1,
        SeriesDescription=f"{frames}, {NOT_FOR_DIAGNOSIS}",
        PatientPosition="",
        FrameOfReferenceUID=new_uid(),
        PositionReferenceIndicator="",
    )
    if generated is None:
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = "Generated by a model; there is no patient"
    dataset.update(software)
    return dataset


def _image(cine: Cine, generated: Generated, note: str, now: datetime.datetime) -> Dataset:
    """Say what the frames are: the modules of the enhanced MR image and its context."""
    dataset = _item(
        ImageType=_image_type(),
        InstanceNumber=1,
        ContentDate=f"{now:%Y%m%d}",
        ContentTime=f"{now:%H%M%S}",
        ContentQualification="RESEARCH",
        ApplicableSafetyStandardAgency="NONE",
        ImageComments=f"{describe(generated)}; {note}" if note else describe(generated),
        BurnedInAnnotation="NO",
        LossyImageCompression="00",
        PresentationLUTShape="IDENTITY",
        AcquisitionContextSequence=[],
    )
    dataset.update(_kind())
    return dataset


def _dimensions(organization: str) -> Dataset:
    """Say what tells frames apart: their place in the one stack of one slice, and their time."""
    return _item(
        DimensionOrganizationSequence=[_item(DimensionOrganizationUID=organization)],
        DimensionIndexSequence=[
            _item(
                DimensionOrganizationUID=organization,
                DimensionIndexPointer=tag_for_keyword(keyword),
                FunctionalGroupPointer=tag_for_keyword("FrameContentSequence"),
                DimensionDescriptionLabel=keyword,
            )
            for keyword in DIMENSIONS
        ],
    )


def _shared_groups(cine: Cine) -> Dataset:
    """Say what is true of all frames: PS3.3, C.7.6.16.2."""
    low, high = 0, 255
    if cine.pixels.dtype == np.uint16:
        low, high = int(cine.pixels.min()), int(cine.pixels.max())
    frame_type = _item(FrameType=_image_type())
    frame_type.update(_kind())
    return _item(
        PixelMeasuresSequence=[
            _item(
                PixelSpacing=[DSfloat(mm, auto_format=True) for mm in cine.spacing_mm],
                SliceThickness=SLICE_MM,
            )
        ],
        # Columns run to the patient's left and rows to the back.
        PlaneOrientationSequence=[_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        PlanePositionSequence=[_item(ImagePositionPatient=[0, 0, 0])],
        FrameAnatomySequence=[_item(FrameLaterality="U", AnatomicRegionSequence=[_code(HEART)])],
        PixelValueTransformationSequence=[
            _item(RescaleIntercept=0, RescaleSlope=1, RescaleType="US")
        ],
        # The window of C.11.2.1.2 that shows the lowest value black and the highest white.
        FrameVOILUTSequence=[
            _item(WindowCenter=(low + high + 1) / 2, WindowWidth=max(high - low, 1) + 1)
        ],
        MRImageFrameTypeSequence=[frame_type],
    )


def _frame_groups(index: int, frame_ms: float, generated: bool) -> Dataset:
    """Say what is true of one frame: its time, and whether it is a model's.

    The group for derivations is left out: it asks for the sources, and their identifiers do not
    belong here.
    """
    return _item(
        FrameContentSequence=[
            _item(
                FrameComments="synthetic" if generated else "of the source, windowed and resized",
                StackID="1",
                InStackPositionNumber=1,
                TemporalPositionIndex=index + 1,
                DimensionIndexValues=[1, 1, index + 1],
            )
        ],
        CardiacSynchronizationSequence=[_item(NominalCardiacTriggerDelayTime=index * frame_ms)],
    )


def _image_type() -> list[str]:
    return ["DERIVED", "PRIMARY", "CINE", "NONE"]


def _kind() -> Dataset:
    """Describe what the image as a whole and each frame alike have to say."""
    return _item(
        PixelPresentation="MONOCHROME",
        VolumetricProperties="VOLUME",
        VolumeBasedCalculationTechnique="NONE",
        ComplexImageComponent="MAGNITUDE",
        AcquisitionContrast="UNKNOWN",
    )


def _code(code: tuple[str, str, str]) -> Dataset:
    value, scheme, meaning = code
    return _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _item(**fields: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in fields.items():
        setattr(dataset, keyword, value)
    return dataset
