"""Any study: a subject is a folder, however deep, a NIfTI file, a zip of DICOMs or a video.

A folder whose own files are one subject's is that subject. ukbb_cardiac's layout is one of these:
where there is a `la_4ch.nii.gz`, it is the one that counts.
"""

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Iterator, Sequence

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.dicom import Choose, read_dicoms
from gancmri_jax.cine.dicom_frame import Frame, is_dicom, read_frames
from gancmri_jax.cine.files import File, disk_file, list_files
from gancmri_jax.cine.kinds import is_nobody
from gancmri_jax.cine.layouts.found import ReadOptions, Subject
from gancmri_jax.cine.nifti import (
    is_label_map,
    is_nifti,
    is_paired_image,
    read_nifti,
    stem,
)
from gancmri_jax.cine.not_taken import NotTaken, no_cine
from gancmri_jax.cine.pictures import blank, is_png, is_video, read_pngs, read_video
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.series import groups, sort_frames
from gancmri_jax.cine.views import FOUR, by_hand, four_chamber, view_of
from gancmri_jax.errors import InputError

FOUR_CHAMBER = "la_4ch"  # ukbb_cardiac's name of the view
FIRST_FILES = 20  # of a folder, among which a DICOM is looked for

Item = Cine | Refusal | NotTaken


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
    itself = Subject(path.resolve().name, path, read)
    files = [p for p in children if p.is_file()]
    folders = [p for p in children if p.is_dir()]
    if any(_stem(p).lower() == FOUR_CHAMBER for p in files):
        return [itself]
    subjects = [Subject(p.name, p, read) for p in folders] + [
        Subject(_stem(p), p, read)
        for p in files
        if _is_cine_nifti(p) or is_video(p) or p.suffix.lower() == ".zip"
    ]
    loose = [f for p in files if p.suffix.lower() != ".zip" for f in list_files(p)]
    dicoms = [f for f in loose if isinstance(f, File) and not is_nifti(f) and is_dicom(f)]
    if dicoms:
        return _beside_dicoms(itself, dicoms, folders, subjects)
    if len(folders) > 1 and len(folders) == len(subjects) and _are_series_of_one(folders):
        return [itself]
    # Beside subjects, pictures are somebody's notes.
    return [itself] if not subjects and any(is_png(p) for p in files) else subjects


def read(subject: Subject, options: ReadOptions, deep: bool = True) -> Iterator[Item]:
    """Yield a subject's cines: of NIfTI named so, DICOM, NIfTI, video and PNG the first there is.

    Several DICOM slices, videos or folders of PNGs are several cines. What else there is comes as
    `NotTaken`, by kind.
    """
    files: list[File] = []
    for item in list_files(subject.path, deep):
        if isinstance(item, File):
            files.append(item)
        else:
            yield item
    niftis = [file for file in files if is_nifti(file)]
    videos = [file for file in files if is_video(file.path)]
    pictures = [file for file in files if is_png(file.path)]
    known = {id(file) for file in (*niftis, *videos, *pictures)}
    rest = [file for file in files if id(file) not in known and not is_paired_image(file.path)]
    dicoms = [file for file in rest if is_dicom(file)]
    readable = {id(file) for file in dicoms}
    others = [file for file in rest if id(file) not in readable]
    labels = [file for file in niftis if is_label_map(stem(file.path))]
    niftis = [file for file in niftis if file not in labels]
    named = [file for file in niftis if stem(file.path).lower() == FOUR_CHAMBER]
    chosen = named or niftis
    if not named:
        in_view = [file for file in niftis if view_of(stem(file.path)) == FOUR]
        chosen = in_view if len(in_view) == 1 else niftis
    open_videos = [file.path for file in videos if file.on_disk]
    folders = sorted({file.path.parent for file in pictures if file.on_disk})

    if dicoms and not named:
        yield from read_dicoms(
            dicoms, subject.name, _chooser(options), by_hand=options.series is not None
        )
        left = [*niftis, *videos, *pictures]
    elif chosen:
        if len(chosen) > 1:
            yield Refusal(
                subject.path,
                f"holds {len(chosen)} NIfTI files; name the one to take {FOUR_CHAMBER}.nii.gz",
            )
        else:
            yield _read_nifti(chosen[0], subject.name, options)
        taken = chosen if len(chosen) == 1 else niftis
        left = [f for f in niftis if f not in taken] + [*dicoms, *videos, *pictures]
    else:
        for path in open_videos or folders:
            yield _read_picture(path, subject.name, options)
        if not open_videos and not folders:
            yield Refusal(subject.path, _nothing(labels, [*videos, *pictures], subject.path))
        left = [f for f in videos if not f.on_disk]
        left += pictures if open_videos else [f for f in pictures if not f.on_disk]
    yield from _not_taken(labels, "label maps, by their names")
    yield from _not_taken(left, "files of another kind than the cine beside them")
    yield from (NotTaken(file.path, no_cine(file.path)) for file in others)


def _beside_dicoms(
    itself: Subject,
    dicoms: Sequence[File],
    folders: Sequence[pathlib.Path],
    subjects: list[Subject],
) -> list[Subject]:
    """Return the subjects of a folder whose own files hold DICOMs.

    A stray image never makes one subject of a study; a person's own files and the folders beside
    them, where those name no other person, are one subject.
    """
    if not subjects:
        return [itself]
    frames = [frame for file in dicoms for frame in _frames(file)]
    if all(len(group) < 2 for group in groups(sort_frames(frames))):
        return subjects
    own = {frame.patient for frame in frames}
    inside = {frame.patient for folder in folders for frame in _first_frame(folder)}
    if inside <= own | {""}:
        return [itself]
    return [*subjects, dataclasses.replace(itself, read=functools.partial(read, deep=False))]


def _are_series_of_one(folders: Sequence[pathlib.Path]) -> bool:
    """Tell whether folders hold the series of one examination, by the first DICOM of each."""
    found: list[Frame] = []
    for folder in folders:
        first = _first_frame(folder)
        if not first or is_nobody(first[0].patient) or not first[0].study:
            return False
        found += first
        if len({(frame.patient, frame.study) for frame in found}) > 1:
            return False
    described = {frame.description for frame in found}
    return len({f.series for f in found}) == len(found) and len(described) > 1


def _first_frame(folder: pathlib.Path) -> list[Frame]:
    files = (item for item in list_files(folder) if isinstance(item, File))
    for file in itertools.islice(files, FIRST_FILES):
        if not is_nifti(file) and is_dicom(file) and (frames := _frames(file)):
            return frames[:1]
    return []


def _frames(file: File) -> list[Frame]:
    try:
        return read_frames(file)
    except InputError:  # which will be told of when it is read
        return []


def _chooser(options: ReadOptions) -> Choose:
    if options.series is not None:
        pattern = options.series
        return lambda groups: by_hand(groups, pattern)
    return lambda groups: four_chamber(groups, options.chooser)


def _read_nifti(file: File, subject: str, options: ReadOptions) -> Cine | Refusal:
    try:
        return read_nifti(file, subject, options.slice, options.time_axis, labels=False)
    except InputError as error:
        return _refusal(file.path, subject, error)


def _read_picture(path: pathlib.Path, subject: str, options: ReadOptions) -> Cine | Refusal:
    try:
        cine = read_video(path, subject) if is_video(path) else read_pngs(path, subject)
        cine = blank(cine, options.mask_boxes)
        return dataclasses.replace(cine, spacing_mm=options.spacing_mm or cine.spacing_mm)
    except InputError as error:
        return _refusal(path, subject, error)


def _refusal(path: pathlib.Path, subject: str, error: InputError) -> Refusal:
    return Refusal(path, str(error).removeprefix(f"{path}: ").removeprefix(f"{subject}: "))


def _nothing(labels: Sequence[File], packed: Sequence[File], path: pathlib.Path) -> str:
    if packed:
        return "holds videos or PNGs in a zip, which are not read there; unpack it"
    if labels:
        return "holds label maps and no cine"
    return "holds no DICOM, NIfTI, video or PNG file"


def _not_taken(files: Sequence[File], kind: str) -> Iterator[NotTaken]:
    if files:
        yield NotTaken(files[0].path, kind, len(files))


def _is_cine_nifti(path: pathlib.Path) -> bool:
    hidden = path.name.startswith(".")
    return is_nifti(disk_file(path)) and not hidden and not is_label_map(stem(path))


def _stem(path: pathlib.Path) -> str:
    if path.is_dir():
        return path.name
    if is_nifti(disk_file(path)):
        return stem(path)
    name = path.name
    if name.lower().endswith((".dcm.gz", ".ima.gz")):
        return name.rpartition(".")[0].rpartition(".")[0]
    zipped = path.suffix.lower() in (".zip", ".gz")
    return path.stem if zipped or is_video(path) else name
