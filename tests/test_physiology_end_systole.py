import dataclasses

import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.phenotypes import write_phenotypes
from gancmri_jax.cine.subject import hash_subject, subject_key
from gancmri_jax.errors import InputError
from gancmri_jax.physiology import end_systole
from gancmri_jax.physiology.end_systole import farthest_from_first, find_es, read_es_frames
from gancmri_jax.segmentation.segment import Segmentation
from tests.tiny_segmenter import tiny_segmenter

NOISE = np.random.default_rng(0).integers(0, 256, (4, 16, 16)).astype(np.uint8)
BARE = Cine(NOISE, (2.0, 2.0), None, "c")


def test_each_source_overrides_those_below_it(monkeypatch):
    """The segmented ventricle is a square whose side is smallest in frame 1."""
    probability = np.zeros((4, 16, 16))
    for frame, side in enumerate((10, 4, 6, 8)):
        probability[frame, 2 : 2 + side, 2 : 2 + side] = 1
    found = Segmentation(np.zeros((4, 16, 16), np.uint8), probability, (2.0, 2.0))
    monkeypatch.setattr(end_systole, "segment", lambda segmenter, cine: found)
    segmenter = tiny_segmenter()
    recorded = dataclasses.replace(BARE, es_frame=3)
    table = {"c": 2}
    assert find_es(recorded, segmenter, table) == (2, "phenotypes")
    assert find_es(recorded, segmenter, {"another": 0}) == (3, "records")
    assert find_es(BARE, segmenter, {}) == (1, "segmenter")
    assert find_es(BARE) == (farthest_from_first(NOISE), "distance")


def test_the_distance_is_the_last_resort_where_nothing_can_be_segmented():
    flat = dataclasses.replace(BARE, pixels=np.full((3, 16, 16), 7, np.uint8))
    assert find_es(flat, tiny_segmenter()) == (0, "distance")


def test_the_farthest_frame_by_hand():
    pixels = np.zeros((4, 8, 8), np.uint8)
    pixels[1], pixels[2], pixels[3] = 10, 30, 20
    assert farthest_from_first(pixels) == 2


@pytest.mark.parametrize("frame", [4, -1])
def test_a_table_that_names_no_frame_of_the_cine_is_an_error(frame):
    with pytest.raises(InputError, match=rf"c: ES frame {frame} \(phenotypes\) is none of its 4"):
        find_es(BARE, None, {"c": frame})


def test_a_table_knows_subjects_by_name_and_by_hash_and_leaves_out_what_it_does_not_know(tmp_path):
    path = tmp_path / "phenotypes.csv"
    write_phenotypes(path, {"a": {"es_frame": 2.0}, "b": {"es_frame": float("nan")}})
    assert read_es_frames(path) == {"a": 2, hash_subject("a", subject_key()): 2}
    write_phenotypes(path, {"a": {"lv_area_ed_cm2": 20.0}})
    with pytest.raises(InputError, match="has no column es_frame; leave --phenotypes out"):
        read_es_frames(path)
