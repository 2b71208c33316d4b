import gzip
import signal
import subprocess
import sys
import threading
import time
import zipfile

import nibabel
import numpy as np
import pytest

from gancmri_jax.apps.explorer import reading
from gancmri_jax.apps.explorer.reading import Reader, judge
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.read import read_model_cines
from gancmri_jax.cine.video_file import write_gif, write_mp4
from gancmri_jax.errors import InputError

FRAMES = np.random.default_rng(0).integers(0, 255, (3, 12, 10), dtype=np.uint8)


@pytest.fixture(scope="module", autouse=True)
def own_key(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("key") / "subject.key"
        patch.setenv("GANCMRI_SUBJECT_KEY_FILE", str(path))
        yield


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(members):
            archive.writestr(f"{number}.dcm", b"")
    return path


def packed_zeros(path, shape):
    """A NIfTI file of few bytes that would be large."""
    image = nibabel.Nifti1Image(np.zeros((1, 1, 1, 1), np.int16), np.eye(4))
    image.header.set_data_shape(shape)
    image.header["vox_offset"] = 352
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(image.header.binaryblock + bytes(4) + bytes(2**20))
    return path


def test_another_process_reads_what_this_one_would(tmp_path):
    path = tmp_path / "cine.nii.gz"
    write_nifti(path, FRAMES, (2.0, 1.0), 40.0)
    (here,) = read_model_cines(path, 8)
    (there,) = Reader().read(path, 8)
    np.testing.assert_array_equal(here.pixels, there.pixels)
    fields = [{k: v for k, v in vars(c).items() if k != "pixels"} for c in (here, there)]
    assert fields[0] == fields[1]


def test_large_files_are_refused_by_their_headers_in_a_moment(tmp_path, monkeypatch):
    zeros = packed_zeros(tmp_path / "cine.nii.gz", (1024, 1024, 1, 200))
    many = zipped(tmp_path / "cine.zip", 5001)
    start = time.process_time()
    with pytest.raises(InputError, match="200 frames of 1024 × 1024, 400 MiB of pixels"):
        judge(zeros)
    with pytest.raises(InputError, match="holds 5001 files, more than the 5000 that are read here"):
        judge(many)
    assert time.process_time() - start < 1
    with pytest.raises(InputError, match=r"400 MiB .* `gancmri superres` takes larger ones"):
        Reader().read(zeros, 8)
    monkeypatch.setattr(reading, "MOST_PIXEL_BYTES", 100_000)
    write_gif(tmp_path / "cine.gif", FRAMES, 40.0)  # magnified to 264 × 312
    write_mp4(tmp_path / "cine.mp4", FRAMES, 40.0)
    for suffix in ("gif", "mp4"):
        with pytest.raises(InputError, match=r"holds [34] frames of \d+ × \d+, 0 MiB"):
            judge(tmp_path / f"cine.{suffix}")


def test_broken_files_are_left_to_their_readers(tmp_path):
    for name in ("a.zip", "a.nii.gz", "a.nii", "a.mp4", "a.gif", "a.dcm"):
        for content in (b"", b"PK\5\6", bytes(400), b"\x1f\x8b"):
            (tmp_path / name).write_bytes(content)
            judge(tmp_path / name)


def test_a_reader_without_memory_or_time_says_so(tmp_path, monkeypatch):
    def without_memory(*_, **__):
        raise InputError("it: is broken or no video (_ArrayMemoryError)")

    monkeypatch.setattr(reading, "read_model_cines", without_memory)
    assert reading._read(tmp_path / "a.dcm", 8) == (
        [],
        "needs more than the 500 MB of memory that are given here; "
        "`gancmri superres` takes larger ones",
    )
    assert reading._why_ended(-signal.SIGXCPU).startswith("takes longer to read than the 5 s")
    assert "status 1" in reading._why_ended(1)


LIMITED = """
from gancmri_jax.apps.explorer import reading
reading.MOST_CPU_S = 1
reading._limit()
try:
    bytearray(600_000_000)
except MemoryError:
    bytearray(100_000_000)
    print("bounded", flush=True)
while True:
    pass
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")
def test_memory_and_time_are_bounded_by_the_system():
    ended = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True)
    assert (ended.stdout, ended.returncode) == ("bounded\n", -signal.SIGXCPU)


def test_a_reader_that_is_closed_reads_no_more(tmp_path):
    path = tmp_path / "cine.nii.gz"
    write_nifti(path, FRAMES, (2.0, 1.0), 40.0)
    reader = Reader()
    threading.Timer(0.1, reader.close).start()
    start = time.monotonic()
    with pytest.raises(InputError, match="was ended"):
        reader.read(path, 8)
        reader.read(path, 8)  # where the first one was quicker
    assert time.monotonic() - start < 60
