import base64
import bz2
import dataclasses
import gzip
import io
import json
import lzma
import pathlib
import tempfile
import zipfile

import numpy as np
import pydicom
import pytest
import zarr
from PIL import Image, PngImagePlugin
from pydicom.uid import DeflatedExplicitVRLittleEndian

from gancmri_jax.cine.dicom_write import write_dicom
from gancmri_jax.cine.prepare import Options, prepare
from gancmri_jax.cine.read import read_model_cines
from gancmri_jax.errors import InputError
from gancmri_jax.privacy.audit import audit
from tests.dicoms import write_cine, write_frame

EID = "1234567"
UID = "1.2.840.99.1234.5"


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "study"
    for name in (EID, "p42"):
        fields = {"PatientName": "Mustermann^Erika"} if name == EID else {}
        write_cine(folder / name, 3, first=len(name), SeriesInstanceUID=UID, **fields)
    return folder


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def zipped(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.bin", content)
    return file.getvalue()


def picture(text, compressed):
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", text, zip=compressed)
    file = io.BytesIO()
    Image.new("L", (4, 4)).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def exif(text):
    image = Image.new("L", (4, 4))
    image.getexif()[270] = text
    file = io.BytesIO()
    image.save(file, "JPEG", exif=image.getexif())
    return file.getvalue()


TEXT = f"heart of {EID}."


def dicom(**fields):
    file = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "a.dcm"
        write_frame(path, 1, **fields)
        file.write(path.read_bytes())
    return file.getvalue()


def deflated(content):
    """The same file in a transfer syntax whose bytes are compressed."""
    dataset = pydicom.dcmread(io.BytesIO(content))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.txt", TEXT.encode()),
        ("a.txt", f"sub{EID}x".encode()),
        ("a.bin", b"\x00\xff" * 2**23 + EID.encode() + bytes(9)),  # across two pieces
        ("a.dcm", UID.encode()),
        ("a.txt", b"Report: ERIKA\tMustermann"),
        ("a.zip", zipped(TEXT)),
        ("a.zip", zipped(zipped(zipped(TEXT)))),
        ("a.npz", zipped(gzip.compress(TEXT.encode(), mtime=0))),
        ("a.nii.gz", gzip.compress(TEXT.encode(), mtime=0)),
        ("a.bz2", bz2.compress(TEXT.encode())),
        ("a.xz", lzma.compress(TEXT.encode())),
        ("a.png", picture(TEXT, compressed=False)),
        ("a.png", picture(TEXT * 20, compressed=True)),
        ("a.jpg", exif(TEXT)),
        (f"{EID}.gif", b""),
        ("p42.png.txt", b""),
        ("a.json", json.dumps({"cines": [{"subject": "p42"}]}).encode()),
        ("a.jsonl", b'{"loss": 1}\n{"path": "/data/p42"}\n'),
        ("a.csv", b"subject,ef_percent\np42,60\n"),
        ("a.csv", b"name,subject\nx,'-p42\nx,p42,,\n"),
        ("a.dcm", dicom(PatientID="p42")),
        ("a.dcm", dicom(PatientName="Mustermann^Erika")),
        ("a.dcm", deflated(dicom(StudyDescription=TEXT))),
        ("a.dcm", dicom(RequestAttributesSequence=[pydicom.Dataset()], PatientComments=TEXT)),
        (
            "a.html",
            b'<!doctype html><img src="data:image/png;base64,%s">'
            % base64.b64encode(picture(TEXT * 20, compressed=True)),
        ),
    ],
)
def test_an_identifier_is_found_wherever_it_stands(study, out, name, content):
    (out / name).write_bytes(content)
    result = audit(out, study)
    assert result.findings and not result.not_searched
    # The value is not told, but where a file's own name tells it.
    assert EID in name or not any(EID in str(finding) for finding in result.findings)


def test_what_only_resembles_one_is_not_found(study, out):
    (out / "a.txt").write_text(f"1{EID} {EID}0 123 p42 p4 1.2.840.99.1234.55")
    (out / "b.json").write_text('{"frames": "p42", "subject": "p421"}')
    (out / "c.bin").write_bytes(np.random.default_rng(0).bytes(2**21))
    result = audit(out, study)
    assert not result.findings and result.num_files == 3 and result.num_short == 2


def test_strings_of_a_zarr_store(study, out):
    group = zarr.open_group(out / "z.zarr", mode="w")
    group.create_array("subject", shape=(2,), dtype="str")[:] = np.array(["p42", "other"])
    (finding,) = audit(out, study).findings
    assert finding.what == "subject name" and finding.place == "/values"


def test_folders_have_names_too(study, out):
    (out / EID).mkdir()
    (out / EID / "a").write_bytes(b"")
    assert [f.place for f in audit(out, study).findings] == ["folder"]


def test_what_cannot_be_unpacked_is_told(study, out):
    (out / "a.zip").write_bytes(zipped("x")[:-30])
    assert "cannot be unpacked" in audit(out, study).not_searched[0].what


def test_records_are_clean_unless_names_are_kept(study, tmp_path, out):
    prepare(study, tmp_path / "hashed", Options(size=8), on_refusal=print)
    assert audit(tmp_path / "hashed", study) == audit(tmp_path / "hashed", study)
    assert not audit(tmp_path / "hashed", study).findings
    prepare(study, tmp_path / "kept", Options(size=8, keep_ids=True), on_refusal=print)
    findings = audit(tmp_path / "kept", study).findings
    places = {(f.path.name.partition("-")[0], f.what) for f in findings}
    assert {("cines", "subject name"), ("report.json", "subject name")} <= places
    records = {f.place for f in findings if f.path.name.startswith("cines")}
    assert {"/record 0", "/record 1"} <= records  # the long name and the short one


def test_dicom_outputs_hold_no_identifier_of_their_sources(study, tmp_path, out):
    for folder in study.iterdir():
        write_cine(
            folder,
            3,
            first=50,
            SeriesInstanceUID=UID + ".1",
            PatientID=f"MRN-{folder.name}-77",
            PatientName="Müller^Änne",
            SpecificCharacterSet="ISO_IR 100",
            PatientBirthDate="19520317",
            StudyInstanceUID=UID + ".2",
            FrameOfReferenceUID=UID + ".3",
            StudyDate="20190412",
            InstitutionName="Charlottenhof Hospital",
            StationName="MRC40511",
            ReferringPhysicianName="Weiß^Otto",
            AccessionNumber="ACC0012345",
        )
    cines = read_model_cines(study, 8, on_refusal=lambda refusal: None)
    assert len(cines) >= 2
    for number, cine in enumerate(cines):
        whole = dataclasses.replace(cine, frame_ms=cine.frame_ms or 40.0)
        write_dicom(out / f"{number}.dcm", whole, np.arange(len(cine.pixels)) % 2 == 1)
        write_dicom(out / f"{number}-synthetic.dcm", whole)
    result = audit(out, study)
    assert result.num_identifiers > 15 and not result.findings and not result.not_searched
    # The same search finds each of them where a file does hold it.
    source = next(study.rglob("IM-0050.dcm"))
    (out / "copy.dcm").write_bytes(source.read_bytes())
    kinds = {finding.what for finding in audit(out, study).findings}
    assert {"PatientID", "PatientName", "StudyDate", "InstitutionName", "StationName"} <= kinds
    assert {"PatientBirthDate", "AccessionNumber", "ReferringPhysicianName"} <= kinds


def test_nothing_to_search_is_an_error(study, tmp_path):
    with pytest.raises(InputError, match="to audit"):
        audit(tmp_path / "absent", study)
    with pytest.raises(InputError, match="inside the input"):
        audit(study / EID, study)
