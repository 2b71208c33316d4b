"""Any study: a subject is a folder, however deep, a NIfTI file, a zip of DICOMs or a video.

A folder whose own files are one subject's is that subject. ukbb_cardiac's layout is one of these:
where there is a `la_4ch.nii.gz`, it is the one that counts.
"""

import dataclasses
import pathlib
from collections.abc import Iterator

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.dicom import read_dicoms
from gancmri_jax.cine.dicom_frame import is_dicom
from gancmri_jax.cine.files import File, disk_file, list_files
from gancmri_jax.cine.layouts.found import ReadOptions, Subject
from gancmri_jax.cine.nifti import read_nifti
from gancmri_jax.cine.pictures import blank, is_png, is_video, read_pngs, read_video
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.errors import InputError

NIFTI_SUFFIXES = (".nii.gz", ".nii")
FOUR_CHAMBER = "la_4ch"  # ukbb_cardiac's name of the view


def find(path: pathlib.Path) -> list[Subject]:
    """Return the subjects under a path.

    Raises:
        InputError: The path cannot be listed.
    """
    if path.is_file():
        return [Subject(_stem(path), path, read)]
    try:
        children = sorted(p for p in path.iterdir() if not p.name.startswith("."))
    except OSError as error:
        raise InputError(f"{path}: cannot be listed ({error.strerror})") from error
    itself = [Subject(path.resolve().name, path, read)]
    files = [p for p in children if p.is_file()]
    if any(is_dicom(disk_file(p)) or _stem(p) == FOUR_CHAMBER for p in files):
        return itself
    subjects = [Subject(p.name, p, read) for p in children if p.is_dir()] + [
        Subject(_stem(p), p, read)
        for p in files
        if _is_cine_nifti(p) or is_video(p) or p.suffix.lower() == ".zip"
    ]
    # Beside subjects, pictures are somebody's notes.
    return itself if not subjects and any(is_png(p) for p in files) else subjects


def read(subject: Subject, options: ReadOptions) -> Iterator[Cine | Refusal]:
    """Yield a subject's cines: of NIfTI named so, DICOM, NIfTI, video and PNG the first there is.

    Several DICOM slices, videos or folders of PNGs are several cines.
    """
    files: list[File] = []
    for item in list_files(subject.path):
        if isinstance(item, File):
            files.append(item)
        else:
            yield item
    niftis = [file.path for file in files if _is_cine_nifti(file.path)]
    named = [path for path in niftis if _stem(path) == FOUR_CHAMBER]
    if not named and (dicoms := [file for file in files if is_dicom(file)]):
        yield from read_dicoms(dicoms, subject.name)
    elif chosen := named or niftis:
        if len(chosen) > 1:
            yield Refusal(
                subject.path,
                f"holds {len(chosen)} NIfTI files; name the one to take {FOUR_CHAMBER}.nii.gz",
            )
        else:
            yield _read(chosen[0], subject.name, options)
    else:
        videos = [file.path for file in files if is_video(file.path) and file.path.is_file()]
        pictures = sorted({f.path.parent for f in files if is_png(f.path) and f.path.is_file()})
        for path in videos or pictures:
            yield _read(path, subject.name, options)
        if not videos and not pictures:
            yield Refusal(subject.path, "holds no DICOM, NIfTI, video or PNG file")


def _read(path: pathlib.Path, subject: str, options: ReadOptions) -> Cine | Refusal:
    try:
        if _is_cine_nifti(path):
            return read_nifti(path, subject, options.slice)
        cine = read_video(path, subject) if is_video(path) else read_pngs(path, subject)
        cine = blank(cine, options.mask_boxes)
        return dataclasses.replace(cine, spacing_mm=options.spacing_mm or cine.spacing_mm)
    except InputError as error:
        return Refusal(path, str(error).removeprefix(f"{path}: ").removeprefix(f"{subject}: "))


def _is_cine_nifti(path: pathlib.Path) -> bool:
    stem = _stem(path)
    named = path.name.endswith(NIFTI_SUFFIXES) and not path.name.startswith(".")
    return named and path.is_file() and "mask" not in stem and not stem.endswith("_gt")


def _stem(path: pathlib.Path) -> str:
    for suffix in NIFTI_SUFFIXES:
        if path.name.endswith(suffix):
            return path.name.removesuffix(suffix)
    zipped = path.suffix.lower() == ".zip"
    return path.stem if path.is_file() and (zipped or is_video(path)) else path.name
