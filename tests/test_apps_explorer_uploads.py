import threading
import zipfile

import numpy as np
import pytest

from gancmri_jax.apps.explorer import choice as explorer_choice
from gancmri_jax.apps.explorer import uploads as uploads_module
from gancmri_jax.apps.explorer.uploads import Uploads, checked_suffix
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.video_file import write_mp4
from gancmri_jax.errors import InputError
from tests.tiny import tiny_model

FRAMES = np.random.default_rng(0).integers(0, 255, (3, 12, 10), dtype=np.uint8)


@pytest.fixture(scope="module")
def model():
    return tiny_model(resolution=8)


@pytest.fixture
def uploads(model, monkeypatch):
    monkeypatch.setattr(explorer_choice, "PROJECTION_STEPS", 2)
    loaded = Uploads(model)
    yield loaded
    loaded.close()


def test_a_cine_is_read_as_the_model_sees_it_and_projected_frame_by_frame(model, uploads, tmp_path):
    path = tmp_path / "anna.nii.gz"
    write_nifti(path, FRAMES, (2.0, 1.0), 40.0)
    (name,) = uploads.add(path, "anna.nii.gz")
    loaded = uploads[name]
    assert loaded.cine.pixels.shape == (3, 8, 8) and loaded.cine.pixels.dtype == np.uint8
    assert loaded.cine.spacing_mm == (3.0, 1.25) and "anna" not in loaded.cine.subject
    uploads._worker.submit(lambda: None).result()  # which comes after it
    assert (loaded.state, loaded.error) == ("projected", "")
    assert loaded.ws.shape == (3, model.num_ws, model.w_dim)
    assert loaded.share == pytest.approx(1)
    np.testing.assert_array_equal(loaded.ws[:, 0], loaded.ws[:, -1])  # in W
    uploads.close()
    with pytest.raises(InputError, match="not loaded any more"):
        uploads[name]


def test_a_search_that_fails_says_so(uploads, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(uploads_module, "project_study", fail)
    path = tmp_path / "a.mp4"
    write_mp4(path, FRAMES, 40.0)
    (name,) = uploads.add(path, "a.mp4")
    uploads._worker.submit(lambda: None).result()
    assert (uploads[name].state, uploads[name].error) == ("failed", "out of memory")


def test_a_cine_that_is_forgotten_is_not_searched_on(model, tmp_path, monkeypatch):
    begun, forgotten = threading.Event(), threading.Event()

    def give_way():
        begun.set()
        forgotten.wait()

    monkeypatch.setattr(explorer_choice, "PROJECTION_STEPS", 20)
    monkeypatch.setattr(uploads_module, "MOST_CINES", 1)
    uploads = Uploads(model, give_way)
    path = tmp_path / "a.nii.gz"
    write_nifti(path, FRAMES, (2.0, 1.0), 40.0)
    (first,) = uploads.add(path, "a")
    loaded = uploads[first]
    begun.wait()
    (second,) = uploads.add(path, "a")
    forgotten.set()
    with pytest.raises(InputError, match="not loaded any more"):
        uploads[first]
    uploads._worker.submit(lambda: None).result()
    assert (loaded.state, loaded.error) == ("failed", "was closed")
    assert uploads[second].state == "projected"
    uploads.close()


def test_long_films_are_for_the_command_line(uploads, tmp_path):
    path = tmp_path / "a.nii.gz"
    write_nifti(path, np.repeat(FRAMES, 60, axis=0), (2.0, 1.0), 40.0)
    with pytest.raises(InputError, match="a: has 180 frames, more than the 150 .* superres"):
        uploads.add(path, "a")


def slip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../outside.dcm", b"DICM" * 100)
    return "leads out of its zip"


def bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", bytes(2**24))
    return "as a decompression bomb does"


def broken_zip(path):
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    return "is broken or no zip file"


def page_as_film(path):
    path.write_text("<html><script>alert(1)</script></html>")
    return "is broken or no video"


def text_as_nifti(path):
    path.write_text("no heart")
    return "is broken or no NIfTI file"


def noise_as_dicom(path):
    path.write_bytes(bytes(128) + b"DICM" + b"\xff" * 64)
    return "."


@pytest.mark.parametrize(
    ("make", "suffix"),
    [
        (slip, ".zip"),
        (bomb, ".zip"),
        (broken_zip, ".zip"),
        (page_as_film, ".mp4"),
        (page_as_film, ".gif"),
        (text_as_nifti, ".nii.gz"),
        (noise_as_dicom, ".dcm"),
    ],
)
def test_hostile_files_are_refused_in_one_line_that_names_no_path(uploads, tmp_path, make, suffix):
    path = tmp_path / f"cine{suffix}"
    reason = make(path)
    with pytest.raises(InputError, match=reason) as error:
        uploads.add(path, "theirs")
    assert str(error.value).startswith("theirs: ") and "\n" not in str(error.value)
    assert str(tmp_path) not in str(error.value)
    assert list(tmp_path.iterdir()) == [path] and not (tmp_path.parent / "outside.dcm").exists()


def test_only_the_suffix_of_a_name_is_used():
    assert checked_suffix("../../etc/Anna Smith.NII.GZ") == ".nii.gz"
    assert checked_suffix("a.b.zip") == ".zip"
    for name in ("a.exe", "zip", "", "a.zip/b", "a.html"):
        with pytest.raises(InputError, match="takes .nii.gz, .nii, .zip"):
            checked_suffix(name)
