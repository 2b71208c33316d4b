"""What readers see: cines of any origin, made alike, so that nothing but the heart tells.

Same size, same number of frames, same window, from ED on, played at the same speed. Frames are
picked, never blended: a blend would tell of itself.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import UInt8

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.naming import Naming
from gancmri_jax.cine.pictures import is_video
from gancmri_jax.cine.preprocess import preprocess
from gancmri_jax.cine.records import Records, is_records, record_splits
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.subjects import list_subjects, read_subject, study_phenotypes

LOSSLESS = (".gif",)


def draw_cines(
    path: pathlib.Path,
    rng: np.random.Generator,
    on_refusal: Callable[[Refusal], object],
    keep_ids: bool = False,
) -> Iterator[Cine]:
    """Yield the cines of a folder or of records in a random order, one a subject, as they are.

    Only what is asked for is read. What cannot be read goes to `on_refusal`, under the subject's
    hash unless `keep_ids`.
    """
    seen: set[str] = set()
    for cine in _draw_all(path, rng, on_refusal, keep_ids):
        if cine.subject not in seen:
            seen.add(cine.subject)
            yield cine


def alike(cine: Cine, size: int, num_frames: int) -> UInt8[np.ndarray, "t size size"]:
    """Return a beat as it is shown: windowed, resized, from ED on, at `num_frames` of its frames.

    Raises:
        InputError: It has no contrast.
    """
    frames = np.roll(preprocess(cine, size).pixels, -cine.ed_frame, axis=0)
    return frames[np.arange(num_frames) * len(frames) // num_frames]


def one_frame(cine: Cine, frame: int) -> Cine:
    """Return a cine of one frame, which is windowed by itself."""
    return dataclasses.replace(
        cine, pixels=cine.pixels[frame : frame + 1], ed_frame=0, es_frame=None
    )


def is_lossy(path: pathlib.Path) -> bool:
    """Tell whether a folder's cines are videos whose compression may show."""
    files = path.rglob("*") if path.is_dir() else [path]
    return any(is_video(file) and file.suffix.lower() not in LOSSLESS for file in files)


def _draw_all(
    path: pathlib.Path,
    rng: np.random.Generator,
    on_refusal: Callable[[Refusal], object],
    keep_ids: bool,
) -> Iterator[Cine]:
    if is_records(path):
        records = Records(path, *record_splits(path))
        for index in rng.permutation(len(records)):
            yield records[int(index)]
        return
    phenotypes = study_phenotypes(path)
    subjects = list_subjects(path)
    naming = Naming(path, subjects, keep_ids)
    for index in rng.permutation(len(subjects)):
        for item in read_subject(subjects[index], phenotypes):
            if isinstance(item, Cine):
                yield item
            elif isinstance(item, Refusal):
                on_refusal(naming.refusal(item))
