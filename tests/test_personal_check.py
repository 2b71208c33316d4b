import dataclasses

import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.errors import InputError
from gancmri_jax.personal.check import insist_beat
from tests.tiny import tiny_model
from tests.tiny_segmenter import bright_segmenter


def discs(count, radii):
    """Bright discs on grey, of these radii in pixels."""
    rows, columns = np.mgrid[:64, :64] - 31.5
    frames = [np.where(np.hypot(rows, columns) < r, 250, 20) for r in np.resize(radii, count)]
    return Cine(np.stack(frames).astype(np.uint8), (2.0, 2.0), 20.0, "anna")


def test_too_few_frames_and_stills_are_refused():
    model = tiny_model()
    with pytest.raises(InputError, match="anna: has 7 frames, and a beat takes 8 or more"):
        insist_beat(model, discs(7, [10, 12]))
    with pytest.raises(InputError, match="anna: nothing moves in its 9 frames"):
        insist_beat(model, discs(9, [10]))
    assert insist_beat(model, discs(8, [10, 12])) is None  # no segmenter, which could see more


def test_what_is_no_four_chamber_heart_is_refused_unless_flags_are_ignored():
    model = dataclasses.replace(tiny_model(), segmenter=bright_segmenter(2.0))
    cine = discs(8, [14, 12, 10, 12])
    with pytest.raises(InputError, match="a chamber or the wall is missing.*--ignore-flags"):
        insist_beat(model, cine)
    found = insist_beat(model, cine, ignore_flags=True)
    assert found is not None and found.masks.shape == cine.pixels.shape
