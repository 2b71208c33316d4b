import pathlib

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLosslessSV1, generate_uid

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.dicom import read_dicoms
from gancmri_jax.cine.dicom_frame import DEFLATED, is_dicom
from gancmri_jax.cine.files import disk_file
from gancmri_jax.cine.refusal import Refusal
from tests.dicoms import COLUMNS, ROWS, write_cine, write_enhanced, write_frame


def read(folder: pathlib.Path) -> tuple[list[Cine], list[Refusal]]:
    items = list(read_dicoms(filter(is_dicom, map(disk_file, sorted(folder.iterdir()))), "heart"))
    cines = [item for item in items if isinstance(item, Cine)]
    return cines, [item for item in items if isinstance(item, Refusal)]


def values(cine: Cine) -> list[int]:
    return cine.pixels[:, -1, 0].tolist()


def test_slices_in_one_folder_are_told_apart_by_position(tmp_path):
    for i, phase in enumerate([2, 0, 3, 1]):  # file names are not in time order
        for z in (8.0, 0.0):
            write_frame(
                tmp_path / f"{i}_{z}.dcm",
                value=int(100 * z) + phase,
                TriggerTime=30.0 * phase,
                ImagePositionPatient=[0, 0, z + 0.01 * phase],  # as scanners round it
            )
    cines, refused = read(tmp_path)
    assert [values(cine) for cine in cines] == [[0, 1, 2, 3], [800, 801, 802, 803]]
    assert not refused
    assert cines[0].spacing_mm == (1.5, 1.25) and cines[0].frame_ms == 30
    assert cines[0].pixels.dtype == np.uint16
    assert (cines[0].pixels[:, 0, -1] == 4000).all()  # first row, last column, as displayed


def test_views_are_told_apart_by_orientation(tmp_path):
    for phase in range(2):
        write_frame(tmp_path / f"a{phase}.dcm", value=phase, TriggerTime=phase)
        write_frame(
            tmp_path / f"b{phase}.dcm",
            value=10 + phase,
            TriggerTime=phase,
            ImageOrientationPatient=[1, 0, 0, 0, 0, -1],
        )
    cines, _ = read(tmp_path)
    assert sorted(values(cine) for cine in cines) == [[0, 1], [10, 11]]


def test_a_slice_taken_twice_is_two_cines_by_series(tmp_path):
    series = [generate_uid(), generate_uid()]
    for i in range(4):
        write_frame(
            tmp_path / f"{i}.dcm",
            value=i,
            TriggerTime=40 * (i % 2),
            InstanceNumber=i + 1,
            SeriesInstanceUID=series[i // 2],
        )
    cines, refused = read(tmp_path)
    assert [values(cine) for cine in cines] == [[0, 1], [2, 3]] and not refused


def test_frames_at_one_time_with_a_series_each_are_refused(tmp_path):
    for i in range(4):
        write_frame(tmp_path / f"{i}.dcm", value=i, TriggerTime=40 * (i % 2))
    cines, refused = read(tmp_path)
    assert not cines and "4 frames of one slice" in refused[0].reason


def test_a_copied_file_is_skipped(tmp_path):
    for i in range(3):
        write_frame(tmp_path / f"{i}.dcm", value=i, TriggerTime=40 * i)
    (tmp_path / "1 (copy).dcm").write_bytes((tmp_path / "1.dcm").read_bytes())
    cines, refused = read(tmp_path)
    assert [values(cine) for cine in cines] == [[0, 1, 2]]
    assert [refusal.reason for refusal in refused] == ["is a copy of another file"]


def test_without_trigger_times_instance_numbers_order_and_the_beat_times(tmp_path):
    for i in range(4):
        write_frame(
            tmp_path / f"{i}.dcm",
            value=i,
            InstanceNumber=40 - i,
            NominalInterval=800,
            TriggerTime=0,
        )
    cines, _ = read(tmp_path)
    assert values(cines[0]) == [3, 2, 1, 0] and cines[0].frame_ms == 200


def test_intensities_are_rescaled_and_monochrome1_is_inverted(tmp_path):
    for i in range(2):
        write_frame(
            tmp_path / f"{i}.dcm",
            value=100,
            TriggerTime=i,
            PhotometricInterpretation="MONOCHROME1",
            RescaleSlope=0.5,
            RescaleIntercept=-10,
        )
    cines, _ = read(tmp_path)
    # (4095 - 100) / 2 - 10 and (4095 - 4000) / 2 - 10
    assert cines[0].pixels[0, 1, 0] == 1987.5 and cines[0].pixels[0, 0, -1] == 37.5


def test_signed_monochrome1_keeps_its_bits(tmp_path):
    for i in range(2):
        write_frame(
            tmp_path / f"{i}.dcm",
            value=300,
            TriggerTime=i,
            PhotometricInterpretation="MONOCHROME1",
            PixelRepresentation=1,
            BitsStored=16,
            HighBit=15,
        )
    cines, _ = read(tmp_path)
    assert cines[0].pixels.dtype == np.int16 and cines[0].pixels[0, 1, 0] == -301


def test_broken_files_are_refused_one_by_one(tmp_path):
    for i in range(3):
        write_frame(tmp_path / f"{i}.dcm", value=i, TriggerTime=i)
    whole = (tmp_path / "0.dcm").read_bytes()
    (tmp_path / "pixels.dcm").write_bytes(whole[:-10])
    (tmp_path / "header.dcm").write_bytes(whole[:200])
    (tmp_path / "text.dcm").write_text("no DICOM at all")
    write_frame(tmp_path / "many.dcm", value=0, NumberOfFrames=2)
    write_frame(tmp_path / "bare.dcm", value=0, PixelSpacing=None)
    write_frame(tmp_path / "absurd.dcm", value=0, PixelSpacing=[0.0, 1.0])
    cines, refused = read(tmp_path)
    assert [values(cine) for cine in cines] == [[0, 1, 2]]
    reasons = {refusal.path.stem: refusal.reason for refusal in refused}
    assert set(reasons) == {"pixels", "header", "text", "many", "bare", "absurd"}
    assert "broken pixels" in reasons["many"] and "PixelSpacing" in reasons["bare"]
    assert not any("\n" in reason or str(tmp_path) in reason for reason in reasons.values())


def test_an_enhanced_object_is_a_cine(tmp_path):
    write_enhanced(tmp_path / "cine.dcm", values=[30, 10, 20], times_ms=[60, 0, 30])
    cines, refused = read(tmp_path)
    assert not refused and [values(cine) for cine in cines] == [[19, 39, 59]]  # 2 v - 1
    assert cines[0].spacing_mm == (1.5, 1.25) and cines[0].frame_ms == 30


def test_a_plain_multi_frame_object_has_a_frame_time(tmp_path):
    pixels = np.arange(2 * ROWS * COLUMNS, dtype=np.uint16)
    write_frame(tmp_path / "a.dcm", 0, NumberOfFrames=2, FrameTime=25, PixelData=pixels.tobytes())
    cines, _ = read(tmp_path)
    assert cines[0].frame_ms == 25
    np.testing.assert_array_equal(cines[0].pixels.ravel(), pixels)


def test_files_that_are_no_mr_or_too_large_are_refused(tmp_path):
    write_frame(tmp_path / "ct.dcm", 0, Modality="CT")
    write_frame(tmp_path / "bomb.dcm", 0, Rows=60000, Columns=60000)
    write_frame(tmp_path / "colour.dcm", 0, SamplesPerPixel=3)
    deflated = (tmp_path / "ct.dcm").read_bytes().replace(b"1.2.840.10008.1.2.1\0", DEFLATED)
    (tmp_path / "deflated.dcm").write_bytes(deflated)
    cines, refused = read(tmp_path)
    reasons = {refusal.path.stem: refusal.reason for refusal in refused}
    assert not cines and reasons["ct"] == "is of modality CT, not MR"
    assert "would unpack to 6866 MiB" in reasons["bomb"]
    assert "colour" in reasons["colour"] and "deflated" in reasons["deflated"]


def test_frames_of_another_size_in_a_series_are_refused(tmp_path):
    series = generate_uid()
    write_cine(tmp_path, 3, SeriesInstanceUID=series)
    odd = np.zeros([2, 2], np.uint16)
    write_frame(
        tmp_path / "odd.dcm",
        0,
        Rows=2,
        Columns=2,
        PixelData=odd.tobytes(),
        SeriesInstanceUID=series,
    )
    cines, refused = read(tmp_path)
    assert [values(cine) for cine in cines] == [[0, 1, 2]]
    assert "another size" in refused[0].reason


def test_an_axial_plane_is_turned_to_radiological_display(tmp_path):
    # Rows run to the right and columns to the front: half a turn off.
    write_cine(tmp_path, 2, ImageOrientationPatient=[-1, 0, 0, 0, -1, 0])
    cines, _ = read(tmp_path)
    assert (cines[0].pixels[:, -1, 0] == 4000).all()


def test_a_single_frame_is_no_cine(tmp_path):
    write_frame(tmp_path / "scout.dcm", value=0, TriggerTime=0)
    cines, refused = read(tmp_path)
    assert not cines and refused[0].path == tmp_path / "scout.dcm"


def test_dicom_files_are_known_by_mark_or_suffix(tmp_path):
    write_frame(tmp_path / "IM0001", value=0)
    for name in ("DICOMDIR", "LICENSE", "raw.IMA"):
        (tmp_path / name).write_bytes(bytes(128) + (b"DICM" if name == "DICOMDIR" else b"    "))
    assert sorted(p.name for p in tmp_path.iterdir() if is_dicom(disk_file(p))) == [
        "IM0001",
        "raw.IMA",
    ]


@pytest.mark.parametrize("view, shape", [("4ch", (30, 168, 208)), ("2ch", (30, 208, 168))])
def test_a_human_heart(shared, view, shape):
    cines, refused = read(shared / "data/cine/human_dicom" / view)
    assert not refused and [cine.pixels.shape for cine in cines] == [shape]
    assert cines[0].spacing_mm == pytest.approx((1.827, 1.827), abs=1e-3)
    assert cines[0].frame_ms == pytest.approx(45.5, abs=0.4)
    assert 255 < cines[0].pixels.max() < 4096
    # In time order, and round the cycle, neighbours look alike.
    frames = cines[0].pixels.astype(np.float32)
    steps = np.abs(frames - np.roll(frames, 1, axis=0)).mean((1, 2))
    apart = np.abs(frames - np.roll(frames, 10, axis=0)).mean()
    assert steps.max() < 0.8 * apart


def test_four_slices_of_a_pig(shared):
    cines, refused = read(shared / "data/cine/porcine_dicom")
    assert not refused and [cine.pixels.shape for cine in cines] == [(20, 256, 256)] * 4
    assert {cine.frame_ms for cine in cines} == {33.0}
    assert {cine.spacing_mm for cine in cines} == {(0.8203, 0.8203)}


def test_what_no_decoder_is_here_for_is_told(tmp_path):
    write_cine(tmp_path, 2)
    path = tmp_path / "IM-0000.dcm"
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    dataset.PixelData = encapsulate([b"\xff\xd8torn\xff\xd9"])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path, enforce_file_format=True)
    _, refused = read(tmp_path)
    assert "is compressed by JPEG Lossless" in refused[0].reason
