"""DICOM files made up for tests."""

import pathlib
from collections.abc import Sequence

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

ROWS, COLUMNS = 6, 4


def write_frame(path: pathlib.Path, value: int, **fields) -> pydicom.Dataset:
    """Write one frame that is `value` but for a bright corner at the end of the first row."""
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage
    uid = generate_uid()
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.SeriesInstanceUID = generate_uid()
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = ROWS, COLUMNS, 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelSpacing = [1.5, 1.25]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.ImagePositionPatient = [0, 0, 0]
    pixels = np.full((ROWS, COLUMNS), value, np.uint16)
    pixels[0, -1] = 4000
    dataset.PixelData = pixels.tobytes()
    for name, field in fields.items():
        setattr(dataset, name, field)
    dataset.save_as(path, enforce_file_format=True)
    return dataset


def write_cine(folder: pathlib.Path, num_frames: int = 3, first: int = 0, **fields) -> None:
    """Write a slice of one series, a file a frame, whose values count up from `first`."""
    folder.mkdir(parents=True, exist_ok=True)
    series = fields.pop("SeriesInstanceUID", generate_uid())
    for i in range(num_frames):
        write_frame(
            folder / f"IM-{first + i:04}.dcm",
            value=first + i,
            TriggerTime=40.0 * i,
            SeriesInstanceUID=series,
            **fields,
        )


def write_enhanced(path: pathlib.Path, values: Sequence[int], times_ms: Sequence[float]) -> None:
    """Write an enhanced MR object, each frame of one value, shown at a time."""
    dataset = write_frame(path, 0, SOPClassUID=EnhancedMRImageStorage)
    del dataset.PixelSpacing, dataset.ImageOrientationPatient, dataset.ImagePositionPatient
    dataset.Modality, dataset.NumberOfFrames = "MR", len(values)
    dataset.PixelData = b"".join(np.full((ROWS, COLUMNS), v, np.uint16).tobytes() for v in values)
    dataset.SharedFunctionalGroupsSequence = [
        _group(
            PixelMeasuresSequence=_group(PixelSpacing=[1.5, 1.25]),
            PlaneOrientationSequence=_group(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
            PixelValueTransformationSequence=_group(RescaleSlope=2, RescaleIntercept=-1),
        )
    ]
    dataset.PerFrameFunctionalGroupsSequence = [
        _group(
            PlanePositionSequence=_group(ImagePositionPatient=[0, 0, 0]),
            CardiacSynchronizationSequence=_group(
                NominalCardiacTriggerDelayTime=time_ms, RRIntervalTimeNominal=900
            ),
        )
        for time_ms in times_ms
    ]
    dataset.save_as(path, enforce_file_format=True)


def _group(**fields) -> pydicom.Dataset:
    dataset = pydicom.Dataset()
    for name, field in fields.items():
        setattr(dataset, name, [field] if isinstance(field, pydicom.Dataset) else field)
    return dataset
