"""M&Ms-2: `<id>_LA_CINE.nii.gz`, with the frames at ED and ES apart as `<id>_LA_ED.nii.gz`, `_ES`.

Which frames of the cine those are is found by their pixels.
"""

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import cast

import nibabel
import numpy as np
from jaxtyping import Shaped

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.files import MOST_BYTES
from gancmri_jax.cine.layouts.found import ReadOptions, Subject
from gancmri_jax.cine.layouts.walk import walk
from gancmri_jax.cine.masks import frame_like
from gancmri_jax.cine.nifti import read_nifti, read_stored
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.errors import InputError

SUFFIX = "_LA_CINE.nii.gz"
FRAMES = ("_LA_ED.nii.gz", "_LA_ES.nii.gz")


def find(path: pathlib.Path) -> list[Subject]:
    """Return the subjects under a path, none where it is laid out otherwise."""
    if path.is_file():
        cines = [path] if path.name.endswith(SUFFIX) else []
    else:
        cines = [p for p in walk(path) if p.name.endswith(SUFFIX)]
    return [
        Subject(cine.name.removesuffix(SUFFIX), cine, read)
        for cine in cines
        if not cine.name.startswith(".")
    ]


def read(subject: Subject, options: ReadOptions) -> Iterator[Cine | Refusal]:
    """Yield a subject's long-axis cine, its ED and ES frames marked where they are found."""
    try:
        cine = read_nifti(subject.path, subject.name, options.slice, options.time_axis)
        stored, _, _ = read_stored(subject.path, subject.name, options.slice, options.time_axis)
    except InputError as error:
        yield Refusal(subject.path, str(error).removeprefix(f"{subject.path}: "))
        return
    ed_frame = _find_frame(stored, subject.path.with_name(f"{subject.name}_LA_ED.nii.gz"))
    es_frame = _find_frame(stored, subject.path.with_name(f"{subject.name}_LA_ES.nii.gz"))
    yield dataclasses.replace(cine, ed_frame=ed_frame or 0, es_frame=es_frame)


def _find_frame(cine: Cine, path: pathlib.Path) -> int | None:
    """Return the frame of a cine that a file holds, None where there is no such frame or file."""
    picture = _read_picture(path)
    return None if picture is None else frame_like(picture, cine.pixels)


def _read_picture(path: pathlib.Path) -> Shaped[np.ndarray, "h w"] | None:
    try:
        image = cast(nibabel.Nifti1Image, nibabel.load(path))
        if np.prod(image.shape[:2]) != np.prod(image.shape) or np.prod(image.shape) > MOST_BYTES:
            return None
        return np.asanyarray(image.dataobj).reshape(image.shape[:2]).T
    except Exception:  # the cine is readable without it
        return None
