import math

import numpy as np

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.layouts.found import ReadOptions, Subject
from gancmri_jax.cine.not_taken import NotTaken
from gancmri_jax.cine.preprocess import preprocess
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.staging import Task, read_staged, stage
from gancmri_jax.cine.summary import likeness

PIXELS = np.random.default_rng(0).integers(0, 1000, (3, 12, 10), dtype=np.int16)
CINES = [
    Cine(PIXELS, (1.5, 1.25), 30.0, "heart", 1, 2),
    Cine(PIXELS[::-1], (math.nan, math.nan), None, "heart"),
]


def read(subject, options):
    yield CINES[0]
    yield Refusal(subject.path / "x", "is broken")
    yield CINES[1]
    yield NotTaken(subject.path / "y", "label maps", 3)


def test_what_is_staged_is_read_back(tmp_path):
    subject = Subject("heart", tmp_path / "heart", read)
    task = Task(subject, ReadOptions(), 8, "stretch", (1.0, 99.0), tmp_path)
    assert stage(task) == task.path
    assert [p.name for p in tmp_path.iterdir()] == [task.path.name]
    staged, refused, not_taken = read_staged(task.path)
    assert not_taken == [NotTaken(tmp_path / "heart/y", "label maps", 3)]
    assert refused == [Refusal(tmp_path / "heart/x", "is broken")]
    for source, item in zip(CINES, staged, strict=True):
        expected, cine = preprocess(source, 8), item.cine("hash")
        np.testing.assert_array_equal(cine.pixels, expected.pixels)
        np.testing.assert_array_equal(cine.spacing_mm, expected.spacing_mm)
        assert (cine.subject, cine.frame_ms) == ("hash", source.frame_ms)
        assert (cine.ed_frame, cine.es_frame) == (source.ed_frame, source.es_frame)
        np.testing.assert_array_equal(item.likeness(), likeness(expected.pixels))
        assert cine.notes[0] == "only 3 frames, hardly a whole beat"
        assert item.subject == "heart" and item.summary["frames"] == 3


def test_places_have_files_of_their_own(tmp_path):
    options = (ReadOptions(), 8, "stretch", (1.0, 99.0), tmp_path)
    a, b = (Task(Subject("heart", tmp_path / place, read), *options) for place in "ab")
    assert a.path != b.path and "heart" not in a.path.name
