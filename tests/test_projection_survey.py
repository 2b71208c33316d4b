import dataclasses
import shutil

import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.record_summary import SUMMARY, read_summary, summarise_record
from gancmri_jax.cine.records import Records, write_records
from gancmri_jax.errors import InputError
from gancmri_jax.physiology import end_systole
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.store import Begun, Video, read_begun
from gancmri_jax.projection.study import project_study
from gancmri_jax.projection.survey import survey
from tests.tiny import tiny_model
from tests.tiny_segmenter import tiny_segmenter

NOTHING = Begun([], {})


@pytest.fixture(scope="module")
def model():
    return tiny_model(resolution=8)


def make_cines():
    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 256, (frames, 8, 8), np.uint8) for frames in (3, 5, 4)]
    pixels[1][4] = 17
    return [
        Cine(pixels[0], (1.0, 1.0), 20.0, "a", es_frame=2),
        Cine(pixels[1], (1.0, 1.0), 20.0, "b", ed_frame=1),
        Cine(pixels[2], (1.0, 1.0), 20.0, "a"),
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two records of one split and one of another."""
    path = tmp_path_factory.mktemp("records") / "r"
    write_records(path, {"train": make_cines()[:2], "test": make_cines()[2:]})
    return path


@pytest.fixture
def read(monkeypatch):
    """Return the list of cines that are read from records."""
    read, getitem = [], Records.__getitem__

    def counted(self, index):
        read.append(index)
        return getitem(self, index)

    monkeypatch.setattr(Records, "__getitem__", counted)
    return read


def without_summary(folder, to):
    """A copy of records as an earlier version wrote them."""
    shutil.copytree(folder, to)
    for name in (SUMMARY, "checksums.json"):
        (to / name).unlink()
    return to


def test_the_summary_says_what_the_cines_say(folder, tmp_path):
    summary = Records(folder, "train", "test").summary()
    assert summary == [summarise_record(cine) for cine in make_cines()]
    assert [each.empty for each in summary] == [{}, {4: 17}, {}]
    assert summary[1].shape == (5, 8, 8) and summary[1].es_frame is None
    assert Records(folder, "test", "train", most=2).summary() == [summary[2], summary[0]]
    shutil.copytree(folder, tmp_path / "moved")
    assert Records(tmp_path / "moved", "test").summary() == summary[2:]
    assert Records(without_summary(folder, tmp_path / "old"), "test").summary() is None


def test_a_survey_of_records_reads_no_pixels_and_finds_what_their_pixels_say(
    folder, model, read, tmp_path
):
    records = Records(folder, "train", "test")
    old = Records(without_summary(folder, tmp_path / "old"), "train", "test")
    which = "ed-es"
    videos, by_summary = survey(model, records, which, {"b": 3}, NOTHING)
    assert not read
    again, by_pixels = survey(model, old, which, {"b": 3}, NOTHING)
    assert {0, 1, 2} <= set(read) and videos == again
    assert [(video.es_frame, video.es_source) for video in videos[:2]] == [
        (2, "records"),
        (3, "phenotypes"),
    ]
    assert videos[2].es_source == "distance"
    # What a store calls them is known whether or not there is a summary now.
    assert by_pixels != by_summary
    for held in (by_pixels, by_summary):
        for cines in (records, old, make_cines()):
            begun = Begun(videos, {"videos": held})
            assert survey(model, cines, which, {"b": 3}, begun) == (videos, held)


def test_other_cines_are_others_with_a_summary_and_without(folder, model, tmp_path):
    cines = make_cines()
    pixels = cines[0].pixels.copy()
    pixels[1, 2, 3] ^= 1
    write_records(
        tmp_path / "r", {"train": [dataclasses.replace(cines[0], pixels=pixels), cines[1]]}
    )
    first, others = (Records(path, "train") for path in (folder, tmp_path / "r"))
    videos, held = survey(model, first, "ed", None, NOTHING)
    for changed in (others, list(others)):
        assert survey(model, changed, "ed", None, Begun(videos, {"videos": held}))[1] != held


@pytest.mark.parametrize("with_summary", [True, False])
def test_what_cannot_be_projected_is_refused(folder, model, tmp_path, with_summary):
    records = folder if with_summary else without_summary(folder, tmp_path / "old")
    with pytest.raises(InputError, match="b: frame 4 is empty, all its pixels are 17; leave"):
        survey(model, Records(records, "train"), "all", None, NOTHING)
    with pytest.raises(InputError, match="a: has frames of 8 × 8, the model takes 16 × 16; prep"):
        survey(tiny_model(resolution=16), Records(records, "train"), "ed", None, NOTHING)
    with pytest.raises(InputError, match="b: ES frame 9 .* is none of its 5 frames"):
        survey(model, Records(records, "train"), "ed", {"b": 9}, NOTHING)


def test_records_that_were_changed_are_refused(folder, model, tmp_path):
    cines = make_cines()
    cines[0].pixels[0, 0, 0] ^= 1
    path = tmp_path / "r"
    write_records(path, {"train": cines[:2], "test": cines[2:]})
    (path / "checksums.json").unlink()
    shutil.copy(folder / SUMMARY, path)
    with pytest.raises(InputError, match="r: records were changed after they were written .*prep"):
        survey(model, Records(path, "train"), "ed", None, NOTHING)
    (path / SUMMARY).write_text("{")
    with pytest.raises(InputError, match="summary.json: is damaged .*; restore it from a backup"):
        read_summary(path)


def test_a_segmenter_looks_at_cines_once(folder, model, read, monkeypatch):
    monkeypatch.setattr(end_systole, "_least_area", lambda cine, segmenter: 3)
    model = dataclasses.replace(model, segmenter=tiny_segmenter())
    records = Records(folder, "train", "test")
    videos, held = survey(model, records, "ed-es", None, NOTHING)
    assert read == [1, 2] and videos[1] == Video("b", 5, 1, 3, "segmenter")
    assert survey(model, records, "ed-es", None, Begun(videos, {"videos": held})) == (videos, held)
    assert read == [1, 2]


def test_starts_and_resumes_read_what_they_project(folder, model, read, tmp_path):
    seen_at_start = []

    def project():
        read.clear()
        project_study(
            model,
            Records(folder, "train"),
            tmp_path / "z",
            Settings(num_steps=2),
            which="ed",
            batch_size=2,
            on_start=lambda todo, done: seen_at_start.append((todo, done, list(read))),
        )

    project()
    assert sorted(read) == [0, 1]
    project()
    assert not read and seen_at_start == [(2, 0, []), (0, 2, [])]
    assert [video.subject for video in read_begun(tmp_path / "z").videos] == ["a", "b"]
