"""A corpus of files that are no cine: each is refused with a reason, and none stops the others."""

import zipfile

import nibabel
import numpy as np
import pytest
from PIL import Image

from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.prepare import Options, prepare
from gancmri_jax.cine.read import insist
from gancmri_jax.cine.records import Records
from gancmri_jax.errors import InputError
from tests.dicoms import write_cine, write_frame

NOISE = np.random.default_rng(0).integers(1, 1000, (3, 12, 10), dtype=np.int16)

REASONS = {
    "truncated_nifti.nii.gz": "is damaged: it ends too early; copy it again",
    "truncated_dicom": "broken pixels",
    "truncated_zip.zip": "broken or no zip file",
    "truncated_video.mp4": "broken or no video",
    "wrong_modality": "modality CT, not MR",
    "one_frame_dicom": "only frame of its slice",
    "one_frame_nifti.nii.gz": "must be (x, y, 1, t)",
    "one_frame_png": "single picture",
    "broken_png": "broken or no PNG as picture 0",
    "nan.nii.gz": "not finite",
    "mixed_sizes": "several sizes",
    "bomb.zip": "decompression bomb",
    "bomb.nii": "would unpack to",
    "bomb_dicom": "would unpack to",
    "absurd_spacing.nii.gz": "pixels of 500 by 500 mm",
    "tiny_spacing_dicom": "pixels of 0.001 by 0.001 mm",
    "short_orientation": "has a broken ImageOrientationPatient",
    "infinite_orientation": "has a broken ImageOrientationPatient",
    "short_position": "has a broken ImagePositionPatient",
    "single_position": "has a broken ImagePositionPatient",
    "long_spacing": "has a broken PixelSpacing",
    "single_spacing": "has a broken PixelSpacing",
    "constant.nii.gz": "7 everywhere",
    "empty": "holds no DICOM, NIfTI, video or PNG file",
    "text": "holds no DICOM image",
    "stack.nii.gz": "prepare --slice K",
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")

    def nifti(name, pixels=NOISE, mm=1.5):
        write_nifti(root / name, pixels, (mm, mm), 30.0)
        return root / name

    def folder(name):
        (root / name).mkdir()
        return root / name

    nifti("good.nii.gz")
    path = nifti("truncated_nifti.nii.gz")
    path.write_bytes(path.read_bytes()[:-50])
    write_cine(folder("truncated_dicom"), 2)
    for path in (root / "truncated_dicom").iterdir():
        path.write_bytes(path.read_bytes()[:-10])
    (root / "truncated_zip.zip").write_bytes(b"PK\x03\x04torn")
    (root / "truncated_video.mp4").write_bytes(b"\0\0\0 ftypisom" + bytes(100))
    write_cine(folder("wrong_modality"), 3, Modality="CT")
    write_cine(folder("one_frame_dicom"), 1)
    nifti("one_frame_nifti.nii.gz", NOISE[:1])
    Image.new("L", (4, 3)).save(folder("one_frame_png") / "a.png")
    (folder("broken_png") / "a.png").write_bytes(b"torn")
    nifti("nan.nii.gz", np.where(NOISE == NOISE[0, 0, 0], np.nan, NOISE).astype(np.float32))
    for i in range(2):
        place = root / "mixed_sizes"
        place.mkdir(exist_ok=True)
        Image.new("L", (4 + i, 3)).save(place / f"{i}.png")
    with zipfile.ZipFile(root / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", bytes(2**24))
    header = nibabel.Nifti1Header()
    header.set_data_shape((8192, 8192, 1, 30))
    (root / "bomb.nii").write_bytes(header.binaryblock + bytes(10))
    write_frame(folder("bomb_dicom") / "a.dcm", 0, Rows=60000, Columns=60000)
    nifti("absurd_spacing.nii.gz", mm=500)
    write_cine(folder("tiny_spacing_dicom"), 3, PixelSpacing=[0.001, 0.001])
    write_cine(folder("short_orientation"), 3, ImageOrientationPatient=[1, 0, 0])
    write_cine(folder("infinite_orientation"), 3, ImageOrientationPatient=[1, 0, 0, 0, "1e999", 0])
    write_cine(folder("short_position"), 3, ImagePositionPatient=[0, 0])
    write_cine(folder("single_position"), 3, ImagePositionPatient=0)
    write_cine(folder("long_spacing"), 3, PixelSpacing=[1.5, 1.25, 8])
    write_cine(folder("single_spacing"), 3, PixelSpacing=1.5)
    nifti("constant.nii.gz", np.full_like(NOISE, 7))
    folder("empty")
    (folder("text") / "notes.dcm").write_text("not a DICOM file at all")
    stack = nibabel.Nifti1Image(np.zeros((4, 3, 5, 2), np.int16), np.eye(4))
    nibabel.save(stack, root / "stack.nii.gz")
    return root


def test_each_is_refused_with_its_reason(corpus, tmp_path):
    told = []
    options = Options(size=8, keep_ids=True)
    card = prepare(corpus, tmp_path / "out", options, on_refusal=told.append)
    reasons = {}
    for refusal in told:
        name = refusal.path.relative_to(corpus).parts[0]
        reasons[name] = reasons.get(name, "") + refusal.reason
        assert "\n" not in refusal.reason and name not in refusal.reason
        assert str(corpus) not in refusal.reason
    assert set(reasons) == set(REASONS)
    for name, reason in REASONS.items():
        assert reason in reasons[name], name
    assert len(card["refused"]) == len(told)
    assert [cine.subject for cine in Records(tmp_path / "out", "train")] == ["good"]


def test_the_first_is_fatal_where_it_is_wished(corpus, tmp_path):
    with pytest.raises(InputError, match=str(corpus)):
        prepare(corpus, tmp_path / "out", Options(size=8), on_refusal=insist)
    assert not list(tmp_path.iterdir())
