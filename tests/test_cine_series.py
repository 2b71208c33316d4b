"""Which frames of a folder are one cine, and what is none: files as scanners and exports leave."""

import pathlib
import tempfile

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.dicom import read_dicoms
from gancmri_jax.cine.files import disk_file
from gancmri_jax.cine.not_taken import NotTaken
from gancmri_jax.cine.refusal import Refusal
from tests.dicoms import write_frame

STEP_MS = 30.0


def uid(name: str) -> str:
    return f"1.2.3.{int.from_bytes(name.encode(), 'big')}"


def write(folder, name, count, first=0, start_ms=0.0, instance=1, **fields):
    """Write a series of frames whose values count up from `first`."""
    fields.setdefault("SeriesInstanceUID", uid(name))
    fields.setdefault("SeriesNumber", len(list(folder.iterdir())) + 1)
    for i in range(count):
        write_frame(
            folder / f"{name}-{i:03}.dcm",
            value=first + i,
            **{"TriggerTime": start_ms + STEP_MS * i, "InstanceNumber": instance + i, **fields},
        )


def read(folder: pathlib.Path, **options) -> tuple[list[Cine], list[Refusal], list[NotTaken]]:
    items = list(read_dicoms(map(disk_file, sorted(folder.iterdir())), "heart", **options))
    kinds = (Cine, Refusal, NotTaken)
    cines, refused, left = ([i for i in items if isinstance(i, kind)] for kind in kinds)
    return cines, refused, left


def values(cines: list[Cine]) -> list[list[int]]:
    return [cine.pixels[:, -1, 0].tolist() for cine in cines]


def test_two_breath_holds_whose_times_never_meet_are_two_cines(tmp_path):
    write(tmp_path, "5", 12, 0, start_ms=12.5)
    write(tmp_path, "6", 12, 100, start_ms=27.5)  # between the others' times
    cines, refused, left = read(tmp_path)
    assert values(cines) == [list(range(12)), list(range(100, 112))] and not refused + left


def test_two_breath_holds_numbered_on_are_two_cines(tmp_path):
    write(tmp_path, "5", 12, 0)
    write(tmp_path, "6", 12, 100, start_ms=15.0, instance=13)
    assert values(read(tmp_path)[0]) == [list(range(12)), list(range(100, 112))]


@pytest.mark.parametrize("start_ms", [0.0, 7.0])
def test_two_beats_in_one_series_are_two_cines(tmp_path, start_ms):
    write(tmp_path, "a", 10, 0, SeriesInstanceUID="1.2.3")
    write(tmp_path, "b", 10, 50, start_ms, instance=11, SeriesInstanceUID="1.2.3")
    assert values(read(tmp_path)[0]) == [list(range(10)), list(range(50, 60))]


def test_a_beat_that_begins_in_the_middle_is_one_cine(tmp_path):
    write(tmp_path, "a", 6, 6, start_ms=180.0, SeriesInstanceUID="1.2.3")
    write(tmp_path, "b", 6, 0, instance=7, SeriesInstanceUID="1.2.3")
    assert values(read(tmp_path)[0]) == [list(range(12))]


def test_neighbours_with_one_rounded_time_are_ordered_by_their_numbers(tmp_path):
    write(tmp_path, "a", 12)
    write_frame(
        tmp_path / "a-004.dcm",
        value=4,
        TriggerTime=3 * STEP_MS,
        InstanceNumber=5,
        SeriesInstanceUID=uid("a"),
        SeriesNumber=1,
    )
    (cine,), refused, left = read(tmp_path)
    assert values([cine]) == [list(range(12))] and not refused + left
    assert cine.frame_ms == STEP_MS and not cine.notes


def test_a_series_that_was_broken_off_loses_to_a_whole_one(tmp_path):
    write(tmp_path, "8", 20)
    write(tmp_path, "9", 3, 100)
    (cine,), _, (left,) = read(tmp_path)
    assert values([cine]) == [list(range(20))] and "broken off" in cine.notes[0]
    assert (left.count, left.kind) == (3, "series that were broken off and taken again")


def test_jitter_of_a_tenth_of_a_pixel_is_one_place(tmp_path):
    for i in range(12):
        place = [0.0, 0.05 * (i % 3), 0.12 * (i % 2)]
        write(tmp_path, str(i), 1, i, STEP_MS * i, ImagePositionPatient=place)
    assert values(read(tmp_path)[0]) == [list(range(12))]


def test_echo_times_that_are_rounded_differently_are_one(tmp_path):
    write(tmp_path, "a", 6, SeriesInstanceUID="1.2", EchoTime=1.14)
    write(tmp_path, "b", 6, 6, 6 * STEP_MS, 7, SeriesInstanceUID="1.2", EchoTime=1.16)
    assert values(read(tmp_path)[0]) == [list(range(12))]


MAGNITUDE, PHASE = ["ORIGINAL", "PRIMARY", "M", "ND"], ["ORIGINAL", "PRIMARY", "P", "ND"]


@pytest.mark.parametrize(
    "kind, fields",
    [
        ("velocity maps and other phase images", {"ImageType": PHASE}),
        ("velocity maps and other phase images", {"ComplexImageComponent": "PHASE"}),
        (
            "velocity maps and other phase images",
            {"ImageType": ["DERIVED", "PRIMARY", "VELOCITY MAP", "P", "PCA"]},
        ),
        ("late enhancement or inversion recovery images", {"SeriesDescription": "4ch_PSIR_LGE"}),
        ("T1, T2 or T2* maps and what they are made from", {"SeriesDescription": "MOLLI 4ch"}),
        ("perfusion images", {"SeriesDescription": "Stress Perfusion"}),
        ("velocity-encoded (flow) images", {"SeriesDescription": "fl2d_flow_aorta"}),
        ("tagged images", {"SeriesDescription": "tagging 4ch"}),
        ("localisers and scouts", {"SeriesDescription": "Lokalizer"}),
        ("localisers and scouts", {"SeriesDescription": "survey_SSFP"}),
        (
            "images derived from others",
            {"ImageType": ["DERIVED", "PRIMARY", "MPR", "NONE"]},
        ),
    ],
)
def test_what_is_no_cine_is_named_beside_one(tmp_path, kind, fields):
    write(tmp_path, "1", 12, ImageType=MAGNITUDE)
    write(tmp_path, "2", 12, 100, **fields)
    cines, refused, left = read(tmp_path)
    assert values(cines) == [list(range(12))] and not refused
    assert [(item.kind, item.count) for item in left] == [(kind, 12)]


def test_alone_it_is_refused(tmp_path):
    write(tmp_path, "1", 1, ImageType=MAGNITUDE, SeriesDescription="PSIR LGE")
    write(tmp_path, "2", 1, 9, ImageType=PHASE, SeriesDescription="PSIR LGE")
    cines, (refusal,), _ = read(tmp_path)
    assert not cines and "holds no cine, but late enhancement" in refusal.reason


def test_series_that_vary_something_else_than_time_are_no_cines(tmp_path):
    write(tmp_path, "1", 12)
    for i in range(8):
        one = {"start_ms": 600.0, "instance": i + 1, "SeriesNumber": 7}
        write(
            tmp_path, f"t{i}", 1, 20 + i, SeriesInstanceUID="1.7", InversionTime=100 + 80 * i, **one
        )
        write(tmp_path, f"e{i}", 1, 40 + i, SeriesInstanceUID="1.8", EchoTime=2.0 + 2 * i, **one)
        clock = f"1000{i:02}.000000"
        write(tmp_path, f"p{i}", 1, 60 + i, SeriesInstanceUID="1.9", AcquisitionTime=clock, **one)
    cines, refused, left = read(tmp_path)
    assert values(cines) == [list(range(12))] and not refused
    assert sorted((item.kind, item.count) for item in left) == [
        ("images at several echo times", 8),
        ("images at several inversion times", 8),
        ("images of one phase over many beats (perfusion, dynamic series)", 8),
    ]


def test_patients_in_one_folder_are_told_apart_by_their_ids(tmp_path):
    for k, patient in enumerate(("B/2", "A")):
        fields = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
        write(tmp_path, patient[0], 12, 100 * k, float(k), PatientID=patient, **fields)
    cines, _, _ = read(tmp_path)
    found = {cine.subject: cine.pixels[0, -1, 0] for cine in cines}
    assert found == {"A": 100, "B_2": 0}
    assert all("one of 2 persons" in cine.notes[0] for cine in cines)


def test_without_ids_by_their_studies(tmp_path):
    for k in range(2):
        study = f"1.2.{k}"
        write(tmp_path, f"{k}", 12, 100 * k, PatientID="Anonymous", StudyInstanceUID=study)
    assert [cine.subject for cine in read(tmp_path)[0]] == ["heart-1", "heart-2"]


def test_a_study_of_its_own_for_each_file_is_one_person(tmp_path):
    for i in range(12):
        write(tmp_path, f"{i}", 1, i, STEP_MS * i, StudyInstanceUID=f"1.2.{i}")
    (cine,), _, _ = read(tmp_path)
    assert cine.subject == "heart" and values([cine]) == [list(range(12))]


def test_two_visits_of_a_person_are_two_cines_of_one_name(tmp_path):
    for k in range(2):
        write(tmp_path, f"{k}", 12, 100 * k, PatientID="P", StudyInstanceUID=f"1.2.{k}")
    cines, _, _ = read(tmp_path)
    assert [cine.subject for cine in cines] == ["heart"] * 2
    assert values(cines) == [list(range(12)), list(range(100, 112))]


def test_frames_of_another_depth_are_refused(tmp_path):
    write(tmp_path, "a", 6, SeriesInstanceUID="1.2", SeriesNumber=1)
    small = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelData": bytes(24)}
    write(tmp_path, "b", 2, 6, 180.0, 7, SeriesInstanceUID="1.2", SeriesNumber=1, **small)
    cines, refused, _ = read(tmp_path)
    assert values(cines) == [list(range(6))] and len(refused) == 2
    assert all("another size or depth" in refusal.reason for refusal in refused)


def test_overlay_bits_are_no_intensity(tmp_path):
    pixels = np.full((6, 4), 100, np.uint16) | 0x8000
    write(tmp_path, "a", 3, PixelData=pixels.tobytes())
    assert (read(tmp_path)[0][0].pixels == 100).all()


def test_padding_is_the_lowest_intensity_and_no_part_of_the_window(tmp_path):
    pixels = np.arange(24, dtype=np.int16).reshape(6, 4) + 50
    pixels[:3] = -2000
    fields = {"PixelRepresentation": 1, "BitsStored": 16, "HighBit": 15, "PixelPaddingValue": -2000}
    write(tmp_path, "a", 3, PixelData=pixels.tobytes(), **fields)
    (cine,), _, _ = read(tmp_path)
    assert cine.padded_share == 0.5 and cine.pixels.min() == 62 == cine.pixels[0, 0, 0]


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(
    st.permutations(range(12)),
    st.lists(st.sampled_from(["", ".dcm", ".IMA", ".1", ".MR"]), min_size=12, max_size=12),
    st.lists(st.integers(0, 3), min_size=12, max_size=12),
    st.booleans(),
)
def test_names_order_and_series_of_files_change_nothing(names, suffixes, series, numbered):
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        for i in range(12):
            fields = {"InstanceNumber": i + 1} if numbered else {}
            write_frame(
                place / f"{names[i]:02}{suffixes[i]}",
                value=i,
                TriggerTime=STEP_MS * i,
                SeriesInstanceUID=f"1.2.{series[i]}",
                **fields,
            )
        cines, refused, left = read(place)
    hypothesis.assume(numbered or not _looks_like_repeats(series))
    assert values(cines) == [list(range(12))] and not refused + left


def _looks_like_repeats(series: list[int]) -> bool:
    """Tell whether each series by itself is even in time, and so may be a beat of its own."""
    for number in set(series):
        steps = np.diff([i for i, s in enumerate(series) if s == number])
        if len(steps) and steps.max() > 1.5 * np.median(steps):
            return False
    return True
