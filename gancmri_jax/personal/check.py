"""Whether a cine shows a beat that a model can be tuned to."""

import numpy as np

from gancmri_jax.cine.cine import Cine
from gancmri_jax.errors import InputError
from gancmri_jax.model.model import Model
from gancmri_jax.segmentation.quality import FEWEST_FRAMES, judge
from gancmri_jax.segmentation.segment import Segmentation, segment

LEAST_MOTION = 0.5  # grey levels: the mean change between frames of what does not move


def insist_beat(model: Model, cine: Cine, ignore_flags: bool = False) -> Segmentation | None:
    """See that a cine is one beat of a four-chamber view; return its segmentation.

    Args:
        model: Whose segmenter looks; without one the view is not looked at, and None is returned.
        cine: Frames in uint8.
        ignore_flags: Go on where the segmentation is flagged (`segmentation.quality`).

    Raises:
        InputError: It has too few frames, does not move, or shows something else.
    """
    count = len(cine.pixels)
    if count < FEWEST_FRAMES:
        raise InputError(
            f"{cine.subject}: has {count} frames, and a beat takes {FEWEST_FRAMES} or more; give "
            "the whole cine"
        )
    change = np.abs(np.diff(cine.pixels.astype(np.float32), axis=0)).mean(axis=(1, 2))
    if change.max() < LEAST_MOTION:
        raise InputError(f"{cine.subject}: nothing moves in its {count} frames; give a cine")
    if model.segmenter is None:
        return None
    found = segment(model.segmenter, cine)
    flags = judge(found, cine.spacing_mm, cine.ed_frame).flags
    if flags and not ignore_flags:
        reasons = "; ".join(flag.reason for flag in flags)
        raise InputError(
            f"{cine.subject}: does not look like a beat of a four-chamber view: {reasons}; give "
            "another cine, or --ignore-flags to go on"
        )
    return found
