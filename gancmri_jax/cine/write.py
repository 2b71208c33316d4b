"""A cine into a file, of the format that the file's name says, marked as what it is."""

import pathlib

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.dicom_write import write_dicom
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.origin import Generated, describe, describe_spacing
from gancmri_jax.cine.video_file import magnification, write_contact_sheet, write_gif, write_mp4
from gancmri_jax.errors import InputError

SUFFIXES = {"mp4": ".mp4", "gif": ".gif", "png": ".png", "nifti": ".nii.gz", "dicom": ".dcm"}


def write_cine(path: pathlib.Path, cine: Cine, generated: Generated = None, note: str = "") -> None:
    """Write uint8 frames as MP4, GIF, contact sheet, NIfTI or DICOM, whole or not at all.

    Args:
        path: Ends in one of `SUFFIXES`.
        cine: Its timing must be known for all but PNG, its spacing for NIfTI and DICOM.
        generated: Which frames a model generated; None where all are, and of no patient.
        note: What else the file says of itself, of at most 15 ASCII characters.

    Raises:
        InputError: The suffix is none of these, or spacing or timing is unknown.
    """
    said = describe(generated)
    noted = f"{said}; {note}" if note else said
    if path.name.endswith(".png"):
        write_contact_sheet(path, cine.pixels, comment=noted)
    elif cine.frame_ms is None:
        raise InputError(f"{path}: time between frames is unknown; only a PNG does without")
    elif path.name.endswith(".mp4"):
        write_mp4(path, cine.pixels, cine.frame_ms, _comment(cine, noted))
    elif path.name.endswith(".gif"):
        write_gif(path, cine.pixels, cine.frame_ms, _comment(cine, noted))
    elif path.name.endswith(".nii.gz"):
        write_nifti(path, cine.pixels, cine.spacing_mm, cine.frame_ms, said, note)
    elif path.name.endswith(".dcm"):
        write_dicom(path, cine, generated, note)
    else:
        raise InputError(f"{path}: must end in one of {', '.join(SUFFIXES.values())}")


def _comment(cine: Cine, said: str) -> str:
    """Return a comment that holds the spacing of magnified pixels, where `read_video` finds it."""
    factor = magnification(*cine.pixels.shape[1:3])
    row_mm, column_mm = cine.spacing_mm
    spacing = describe_spacing((row_mm / factor, column_mm / factor))
    return f"{spacing}; {said}" if spacing else said
