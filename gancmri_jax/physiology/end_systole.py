"""The ES frame of a cine, from the best source there is, and which source that was.

In this order: a table of phenotypes, the cine's own record, the frame of least LV area by a
segmenter, and the frame that differs most from frame 0.
"""

import math
import pathlib
from collections.abc import Mapping
from typing import Literal

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.phenotypes import read_phenotypes
from gancmri_jax.cine.record_summary import farthest_from_first
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
    if (known := known_es(cine.subject, len(cine.pixels), cine.es_frame, table)) is not None:
        return known
    if segmenter is not None and (least := _least_area(cine, segmenter)) is not None:
        return least, "segmenter"
    return farthest_from_first(cine.pixels), "distance"


def known_es(
    subject: str, num_frames: int, recorded: int | None, table: Mapping[str, int] | None
) -> tuple[int, EsSource] | None:
    """Return the ES frame and its source, where no pixels are needed for it; else None.

    Args:
        subject: Whose heart it is.
        num_frames: Frames of the cine.
        recorded: ES by the cine's own record.
        table: ES frames by subject.

    Raises:
        InputError: The table's ES frame is not among the cine's frames.
    """
    if table and (known := table.get(subject)) is not None:
        if not 0 <= known < num_frames:
            raise InputError(
                f"{subject}: ES frame {known} (phenotypes) is none of its {num_frames} frames; "
                "mend where it comes from"
            )
        return known, "phenotypes"
    return None if recorded is None else (recorded, "records")


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


def _least_area(cine: Cine, segmenter: Segmenter) -> int | None:
    """Return the frame of least LV area, or None if no ventricle is segmented."""
    try:
        frame = measure(cine, segment(segmenter, cine)).phenotypes["es_frame"]
    except InputError:  # no contrast to segment
        return None
    return None if math.isnan(frame) else int(frame)
