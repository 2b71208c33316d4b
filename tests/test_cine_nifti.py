import nibabel
import numpy as np
import pytest

from gancmri_jax.cine.nifti import read_nifti, write_nifti
from gancmri_jax.errors import InputError


def save(path, array, zooms, time_unit=None, length_unit="mm"):
    image = nibabel.Nifti1Image(array, np.eye(4))
    image.header.set_zooms(zooms)
    image.header.set_xyzt_units(length_unit, time_unit)
    nibabel.save(image, path)
    return path


def test_layout_is_x_first_with_spacing_and_timing(tmp_path):
    pixels = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)  # [t h w]
    path = tmp_path / "la_4ch.nii.gz"
    write_nifti(path, pixels, spacing_mm=(1.5, 2.0), frame_ms=18.25)
    image = nibabel.load(path)
    assert image.shape == (4, 3, 1, 2)
    assert image.get_data_dtype() == np.int16
    np.testing.assert_allclose(image.header.get_zooms(), (2.0, 1.5, 8.0, 18.25))
    assert image.header.get_xyzt_units() == ("mm", "msec")
    np.testing.assert_array_equal(np.asarray(image.dataobj)[3, 1, 0, 1], pixels[1, 1, 3])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_equal_cines_are_equal_files(tmp_path):
    pixels = np.ones([1, 2, 2], np.uint8)
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti(tmp_path / name, pixels, (1.0, 1.0), 20.0)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_without_spacing_nothing_is_written(tmp_path):
    path = tmp_path / "a.nii.gz"
    with pytest.raises(InputError, match=f"^{path}: spacing is unknown;"):
        write_nifti(path, np.ones([2, 2, 2], np.uint8), (float("nan"), float("nan")), 20.0)
    assert not list(tmp_path.iterdir())


def test_what_is_written_is_read_back(tmp_path):
    pixels = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    write_nifti(tmp_path / "a.nii.gz", pixels, spacing_mm=(1.5, 2.0), frame_ms=18.25)
    cine = read_nifti(tmp_path / "a.nii.gz", "heart")
    np.testing.assert_array_equal(cine.pixels, pixels)
    assert cine.pixels.dtype == np.int16
    assert (cine.spacing_mm, cine.frame_ms, cine.subject) == ((1.5, 2.0), 18.25, "heart")


def test_x_y_t_is_a_cine_only_where_it_is_said_to_be(tmp_path):
    array = np.arange(4 * 3 * 2, dtype=np.float32).reshape(4, 3, 2)  # [x y t]
    path = save(tmp_path / "a.nii", array, (2.0, 1.5, 8.0), "sec")
    with pytest.raises(InputError, match="`--time-axis 2` says"):
        read_nifti(path, "heart")
    cine = read_nifti(path, "heart", time_axis=2)
    assert cine.pixels.shape == (2, 3, 4) and cine.pixels[1, 2, 3] == array[3, 2, 1]
    assert cine.spacing_mm == (1.5, 2.0) and cine.frame_ms is None


@pytest.mark.parametrize(
    "step, unit, frame_ms",
    [
        (0.0304, "sec", 30.4),
        (30.4, "msec", 30.4),
        (30400.0, "usec", 30.4),
        (0.0304, None, 30.4),
        (30.4, None, 30.4),
        (30.4, "sec", None),  # half a minute between frames
        (0.0, "sec", None),
        (0.0, None, None),
        (30.4, "hz", 30.4),  # no unit of time
    ],
)
def test_the_time_step_is_in_its_unit(tmp_path, step, unit, frame_ms):
    array = np.zeros((4, 3, 1, 2), np.uint8)
    path = save(tmp_path / "a.nii", array, (1.0, 1.0, 8.0, step), unit)
    expected = None if frame_ms is None else pytest.approx(frame_ms, rel=1e-5)
    assert read_nifti(path, "heart").frame_ms == expected


def test_lengths_are_in_their_unit(tmp_path):
    array = np.zeros((4, 3, 1, 2), np.uint8)
    path = save(tmp_path / "a.nii", array, (0.002, 0.0015, 0.008, 0.02), "sec", "meter")
    assert read_nifti(path, "heart").spacing_mm == pytest.approx((1.5, 2.0))


def test_scaled_integers_are_scaled(tmp_path):
    image = nibabel.Nifti1Image(np.full((4, 3, 1, 2), 10, np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, 3)
    nibabel.save(image, tmp_path / "a.nii")
    raw = (tmp_path / "a.nii").read_bytes()
    stored = np.frombuffer(raw[-48:], np.int16)[0]
    cine = read_nifti(tmp_path / "a.nii", "heart")
    assert cine.pixels.dtype == np.float32
    np.testing.assert_allclose(cine.pixels, 0.5 * stored + 3)


@pytest.mark.parametrize(
    "array, reason",
    [
        (np.zeros((4, 3, 10, 2), np.uint8), "10 slices; `gancmri prepare --slice K` takes one"),
        (np.zeros((4, 3, 10, 1), np.uint8), "10 slices"),
        (np.zeros((4, 3, 1, 1), np.uint8), r"must be \(x, y, 1, t\)"),
        (np.zeros((4, 3), np.uint8), r"must be \(x, y, 1, t\)"),
        (np.full((4, 3, 1, 2), np.nan, np.float32), "not finite"),
        (np.zeros((4, 3, 1, 2), np.complex64), "not real"),
    ],
)
def test_what_is_no_cine_is_refused_with_a_reason(tmp_path, array, reason):
    path = save(tmp_path / "a.nii", array, (1.0,) * array.ndim)
    with pytest.raises(InputError, match=f"^{path}: .*{reason}"):
        read_nifti(path, "heart")


@pytest.mark.parametrize("content", [b"", b"no NIfTI", b"\x1f\x8b\x08\x00torn"])
def test_broken_files_are_refused(tmp_path, content):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="broken or no NIfTI"):
        read_nifti(path, "heart")


def test_a_truncated_file_is_refused(tmp_path):
    path = save(tmp_path / "a.nii", np.ones((40, 30, 1, 9), np.int16), (1.0, 1.0, 8.0, 20.0))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match="broken or no NIfTI"):
        read_nifti(path, "heart")


def test_one_slice_of_a_stack(tmp_path):
    array = np.arange(4 * 3 * 5 * 2, dtype=np.int16).reshape(4, 3, 5, 2)
    path = save(tmp_path / "a.nii.gz", array, (2.0, 1.5, 8.0, 30.0), "msec")
    cine = read_nifti(path, "heart", slice_index=3)
    np.testing.assert_array_equal(cine.pixels, array[:, :, 3].transpose(2, 1, 0))
    assert cine.frame_ms == 30
    with pytest.raises(InputError, match="slices 0…4, and no slice 5"):
        read_nifti(path, "heart", slice_index=5)


def test_a_slice_is_taken_of_stacks_only(tmp_path):
    path = save(tmp_path / "a.nii", np.zeros((4, 3, 1, 2), np.uint8), (1.0,) * 4)
    assert read_nifti(path, "heart", slice_index=7).pixels.shape == (2, 3, 4)


def test_the_affine_turns_to_radiological_display(tmp_path):
    array = np.arange(4 * 3 * 2, dtype=np.int16).reshape(4, 3, 1, 2)
    # As dcm2niix writes an axial slice: x to the left, y to the front.
    nibabel.save(nibabel.Nifti1Image(array, np.diag([-2, 1.5, 8, 1])), tmp_path / "a.nii")
    cine = read_nifti(tmp_path / "a.nii", "heart")
    np.testing.assert_array_equal(cine.pixels, array[:, ::-1, 0].transpose(2, 1, 0))
    # x to the back, y to the left.
    affine = np.array([[0, -1.5, 0, 0], [-2, 0, 0, 0], [0, 0, 8, 0], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(array, affine), tmp_path / "b.nii")
    cine = read_nifti(tmp_path / "b.nii", "heart")
    np.testing.assert_array_equal(cine.pixels, array[:, :, 0].transpose(2, 0, 1))
    assert cine.spacing_mm == (2.0, 1.5)


def test_a_bomb_is_refused_by_its_header(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((4, 3, 1, 2), np.uint8), np.eye(4))
    header = image.header.copy()
    header.set_data_shape((8192, 8192, 1, 30))
    (tmp_path / "a.nii").write_bytes(header.binaryblock + bytes(100))
    with pytest.raises(InputError, match="would unpack to 1920 MiB"):
        read_nifti(tmp_path / "a.nii", "heart")


def test_the_header_holds_a_description(tmp_path):
    pixels = np.ones([2, 2, 2], np.uint8)
    write_nifti(tmp_path / "a.nii.gz", pixels, (1.0, 1.0), 20.0, "x" * 79)
    assert nibabel.load(tmp_path / "a.nii.gz").header["descrip"].item() == b"x" * 79
