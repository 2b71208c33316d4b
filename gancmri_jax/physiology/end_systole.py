"""The ES frame of a cine, from the best source there is, and which source that was.

In this order: a table of phenotypes, the cine's own record, the frame of least LV area by a
segmenter, and the frame that differs most from frame 0.
"""

import math
import pathlib
from collections.abc import Mapping
from typing import Literal

import numpy as np
from jaxtyping import Shaped

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.phenotypes import read_phenotypes
from gancmri_jax.cine.subject import hash_subject, subject_key
from gancmri_jax.errors import InputError
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.physiology.phenotypes import measure
from gancmri_jax.segmentation.segment import segment

EsSource = Literal["phenotypes", "records", "segmenter", "distance"]


def find_es(
    cine: Cine,
    segmenter: Segmenter | None = None,
    table: Mapping[str, int] | None = None,
) -> tuple[int, EsSource]:
    """Return the ES frame of a cine, and its source.

    Args:
        cine: Its frames.
        segmenter: Segments the left ventricle, where neither the table nor the cine says ES.
        table: ES frames by subject: `read_es_frames`.

    Raises:
        InputError: The table's ES frame is not among the cine's frames.
    """
    if table and (known := table.get(cine.subject)) is not None:
        if not 0 <= known < len(cine.pixels):
            raise InputError(
                f"{cine.subject}: ES frame {known} (phenotypes) is none of its "
                f"{len(cine.pixels)} frames; mend where it comes from"
            )
        return known, "phenotypes"
    if cine.es_frame is not None:
        return cine.es_frame, "records"
    if segmenter is not None and (least := _least_area(cine, segmenter)) is not None:
        return least, "segmenter"
    return farthest_from_first(cine.pixels), "distance"


def read_es_frames(path: pathlib.Path) -> dict[str, int]:
    """Read ES frames from a phenotype table, by subject and by the subject's keyed hash.

    Raises:
        InputError: The table cannot be read, or has no column `es_frame`.
    """
    rows = read_phenotypes(path)
    if "es_frame" not in next(iter(rows.values())):
        raise InputError(f"{path}: has no column es_frame; leave --phenotypes out")
    known = {
        subject: int(values["es_frame"])
        for subject, values in rows.items()
        if not math.isnan(values["es_frame"])
    }
    if known:
        key = subject_key()
        known |= {hash_subject(subject, key): frame for subject, frame in known.items()}
    return known


def farthest_from_first(pixels: Shaped[np.ndarray, "t h w"]) -> int:
    """Return the frame whose pixels differ most from frame 0, in the mean square."""
    difference = pixels.astype(np.float32) - pixels[:1].astype(np.float32)
    return int(np.square(difference).mean(axis=(1, 2)).argmax())


def _least_area(cine: Cine, segmenter: Segmenter) -> int | None:
    """Return the frame of least LV area, or None if no ventricle is segmented."""
    try:
        frame = measure(cine, segment(segmenter, cine)).phenotypes["es_frame"]
    except InputError:  # no contrast to segment
        return None
    return None if math.isnan(frame) else int(frame)
