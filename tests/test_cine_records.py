import dataclasses
import json
import os

import numpy as np
import pytest
import tensorflow_datasets as tfds

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.records import Records, is_records, record_splits, write_records
from gancmri_jax.errors import InputError


def make_cines(count):
    rng = np.random.default_rng(0)
    return [
        Cine(
            pixels=rng.integers(0, 256, (3 + i, 8, 8), np.uint8),
            spacing_mm=(1.5, 1.25),
            frame_ms=None if i == 0 else 30.5,
            subject=f"s{i}",
            ed_frame=i % 2,
            es_frame=None if i == 1 else 2,
        )
        for i in range(count)
    ]


def test_cines_of_unequal_length_come_back_in_order(tmp_path):
    cines = make_cines(12)
    write_records(tmp_path / "out", {"train": cines, "validation": iter(()), "test": cines[:1]})
    assert is_records(tmp_path / "out")
    assert sorted(record_splits(tmp_path / "out")) == ["test", "train"]
    records = Records(tmp_path / "out", "train")
    assert len(records) == 12 and records.num_frames == list(range(3, 15))
    for got, want in zip(records, cines, strict=True):
        np.testing.assert_array_equal(got.pixels, want.pixels)
        for field in dataclasses.fields(Cine)[1:]:
            assert getattr(got, field.name) == getattr(want, field.name)
    assert [cine.subject for cine in records[-2:]] == ["s10", "s11"]
    with pytest.raises(IndexError):
        records[12]


def test_several_splits_follow_one_another(tmp_path):
    cines = make_cines(5)
    write_records(tmp_path / "out", {"train": cines[:3], "test": cines[3:]})
    both = Records(tmp_path / "out", "test", "train")
    assert [cine.subject for cine in both] == ["s3", "s4", "s0", "s1", "s2"]
    assert both.num_frames == [6, 7, 3, 4, 5]


def test_they_are_tensorflow_datasets(tmp_path):
    write_records(tmp_path / "out", {"train": make_cines(2)})
    builder = tfds.builder_from_directory(tmp_path / "out")
    assert builder.info.splits["train"].num_examples == 2
    example = builder.as_data_source(split="train")[1]
    assert example["frames"].shape == (4, 8, 8) and example["frames"].dtype == np.uint8
    assert example["spacing_mm"].dtype == np.float32 and example["es_frame"] == -1


def test_frame_counts_are_found_without_metadata(tmp_path):
    write_records(tmp_path / "out", {"train": make_cines(3)})
    for name in ("metadata.json", "checksums.json"):  # as other programs write them
        (tmp_path / "out" / name).unlink()
    assert Records(tmp_path / "out", "train").num_frames == [3, 4, 5]
    first = Records(tmp_path / "out", "train", most=2)
    assert first.num_frames == [3, 4] and [len(cine.pixels) for cine in first] == [3, 4]
    with pytest.raises(IndexError):
        first[2]


def test_what_fails_leaves_nothing(tmp_path):
    def broken():
        yield from make_cines(2)
        raise OSError("the disk went away")

    with pytest.raises(Exception, match="the disk went away"):
        write_records(tmp_path / "out", {"train": broken()})
    assert not list(tmp_path.iterdir())


def test_missing_records_and_splits_are_named(tmp_path):
    with pytest.raises(InputError, match=r"holds no training records.*gancmri prepare"):
        Records(tmp_path, "train")
    write_records(tmp_path / "out", {"train": make_cines(1)})
    with pytest.raises(InputError, match="no split 'test', only train"):
        Records(tmp_path / "out", "test")


def test_a_fingerprint_is_of_what_is_in_them_and_not_of_where_they_lie(tmp_path):
    cines = make_cines(3)
    for name, split in [
        ("a", cines),
        ("b", cines),
        ("c", cines[:2]),
        ("d", [*cines[:2], changed(cines[2])]),
    ]:
        write_records(tmp_path / name, {"train": split, "test": cines[:1]})
    a, b, c, d = (Records(tmp_path / name, "train").fingerprint for name in "abcd")
    assert a == b and len({a, c, d}) == 3
    tests = {Records(tmp_path / name, "test").fingerprint for name in "abcd"}
    assert len(tests) == 1
    os.rename(tmp_path / "a", tmp_path / "e")
    assert Records(tmp_path / "e", "train").fingerprint == a


def changed(cine):
    pixels = cine.pixels.copy()
    pixels[1, 2, 3] ^= 1
    return dataclasses.replace(cine, pixels=pixels)


def test_records_of_an_earlier_version_have_a_fingerprint_by_their_sizes(tmp_path):
    for name, count in (("a", 2), ("b", 2), ("c", 3)):
        write_records(tmp_path / name, {"train": make_cines(count)})
        (tmp_path / name / "checksums.json").unlink()
        path = tmp_path / name / "metadata.json"
        metadata = json.loads(path.read_text())
        path.write_text(json.dumps({"num_frames": metadata["num_frames"]}))
    a, b, c = (Records(tmp_path / name, "train").fingerprint for name in "abc")
    assert a == b != c


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json", "metadata.json"])
def test_a_changed_description_is_refused(tmp_path, name):
    write_records(tmp_path / "out", {"train": make_cines(1)})
    path = tmp_path / "out" / name
    path.write_text(path.read_text() + " ")
    with pytest.raises(InputError, match=f"out: its description cannot be read .*{name}: is dam"):
        Records(tmp_path / "out", "train")


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize("text", ["", "{}", "[" * 5000, '{"fileFormat": "tfrecord"}'])
def test_a_damaged_description_of_older_records_is_one_line(tmp_path, name, text):
    write_records(tmp_path / "out", {"train": make_cines(1)})
    (tmp_path / "out" / "checksums.json").unlink()
    (tmp_path / "out" / name).write_text(text)
    with pytest.raises(InputError, match=r"^[^\n]*out: [^\n]*$"):
        Records(tmp_path / "out", "train")[0]


def test_numbers_that_are_none_are_unknown_or_refused(tmp_path, monkeypatch):
    """Unknown spacing and timing are NaN in records; other numbers that no cine has are refused."""
    write_records(tmp_path / "out", {"train": make_cines(1)})
    records = Records(tmp_path / "out", "train")
    example = records._source[0]

    def hold(**values):
        monkeypatch.setattr(records, "_source", [{**example, **values}])

    hold(spacing_mm=np.array([np.nan, np.nan]), frame_ms=np.nan)
    assert records[0].frame_ms is None and np.isnan(records[0].spacing_mm).all()
    for values, said in [
        ({"spacing_mm": np.array([np.nan, 1.0])}, "spacing must be positive"),
        ({"spacing_mm": np.array([np.inf, 1.0])}, "spacing must be positive"),
        ({"frame_ms": np.inf}, "frame time must be positive"),
        ({"frame_ms": -3.0}, "frame time must be positive"),
        ({"es_frame": 99}, "ES frame 99 is outside"),
        ({"ed_frame": -1}, "ED frame -1 is outside"),
        ({"frames": np.zeros((0, 8, 8), np.uint8)}, "frames must be"),
    ]:
        hold(**values)
        with pytest.raises(InputError, match=f"out: record 0 cannot be read .*{said}"):
            records[0]
